import { z } from 'zod'
import { type AdminCall, jsonCall, type NoQuestion, textCall } from './admin-call.ts'
import { type PolicyExplanation, policyExplanationSchema, type PolicyMatrix, policyMatrixSchema } from './policy-explanation.ts'
import { type AgentStatus, agentStatusSchema, type ControllerStatus, controllerStatusSchema } from './program-status.ts'

/** A new connection to an address of a Service. */
export type ProxyQuestion = {
  /** Address and port, e.g. `10.96.0.1:80`, `[fd00::1]:80`. */
  readonly to: string
  /** `TCP` by default. */
  readonly protocol?: string | undefined
  /** Address of the client; the node itself by default. */
  readonly from?: string | undefined
}

/** What a connection carries: without a port ICMP, and TCP with one. */
export type TrafficQuestion = {
  readonly protocol?: string | undefined
  readonly port?: string | undefined
  /** `4` or `6`; the first one that both ends have by default. */
  readonly family?: string | undefined
}

/** A new connection between two ends, each a pod `namespace/name`, a node or an address. */
export type ConnectionQuestion = TrafficQuestion & { readonly from: string, readonly to: string }

/** Who reaches whom; `namespaces` are separated by commas, and all without. */
export type ReachQuestion = TrafficQuestion & { readonly namespaces?: string | undefined }

const trafficParameters = { protocol: z.string().optional(), port: z.string().optional(), family: z.string().optional() }

/** Of the service proxy, alone or in an agent. */
export type ProxyCalls = {
  readonly dumpProxy: AdminCall<NoQuestion, string>
  /** In words, by the model and by the kernel. */
  readonly explainProxy: AdminCall<ProxyQuestion, string>
  /** What kube-proxy left on the node. */
  readonly proxyLeftovers: AdminCall<NoQuestion, string>
  /** Removes it, once the node's Services are in the kernel. */
  readonly takeOverProxy: AdminCall<NoQuestion, string>
}

export const proxyCalls: ProxyCalls = {
  dumpProxy: textCall('GET', '/dump/proxy'),
  explainProxy: { method: 'GET', path: '/explain/proxy', question: z.strictObject({ to: z.string(), protocol: z.string().optional(), from: z.string().optional() }), answer: undefined },
  proxyLeftovers: textCall('GET', '/takeover/proxy'),
  takeOverProxy: textCall('POST', '/takeover/proxy'),
}

/** Of policies, alone or in an agent. */
export type PolicyCalls = {
  readonly dumpPolicy: AdminCall<NoQuestion, string>
  readonly explainPolicy: AdminCall<ConnectionQuestion, PolicyExplanation>
  readonly policyMatrix: AdminCall<ReachQuestion, PolicyMatrix>
}

export const policyCalls: PolicyCalls = {
  dumpPolicy: textCall('GET', '/dump/policy'),
  explainPolicy: { method: 'GET', path: '/explain/policy', question: z.strictObject({ from: z.string(), to: z.string(), ...trafficParameters }), answer: policyExplanationSchema },
  policyMatrix: { method: 'GET', path: '/explain/policy-matrix', question: z.strictObject({ namespaces: z.string().optional(), ...trafficParameters }), answer: policyMatrixSchema },
}

/** Of the overlay, alone or in an agent. */
export type OverlayCalls = { readonly dumpOverlay: AdminCall<NoQuestion, string> }

export const overlayCalls: OverlayCalls = { dumpOverlay: textCall('GET', '/dump/overlay') }

/** Of a node's agent. */
export type AgentCalls = ProxyCalls & PolicyCalls & OverlayCalls & {
  readonly status: AdminCall<NoQuestion, AgentStatus>
  /** Addresses and attachments. */
  readonly dumpCni: AdminCall<NoQuestion, string>
}

export const agentCalls: AgentCalls = { ...proxyCalls, ...policyCalls, ...overlayCalls, status: jsonCall('/status', agentStatusSchema), dumpCni: textCall('GET', '/dump/cni') }

/** Of a DNS server. */
export type DnsCalls = { readonly dumpZone: AdminCall<NoQuestion, string> }

export const dnsCalls: DnsCalls = { dumpZone: textCall('GET', '/dump/zone') }

/** Of a replica of the controller. */
export type ControllerCalls = {
  readonly status: AdminCall<NoQuestion, ControllerStatus>
  readonly dumpPools: AdminCall<NoQuestion, string>
}

export const controllerCalls: ControllerCalls = { status: jsonCall('/status', controllerStatusSchema), dumpPools: textCall('GET', '/dump/pools') }
