import { type ChildProcess, spawn } from 'node:child_process'
import { adminClient, agentCalls, nodeResource } from '@weft/api'
import { formatIp, type IpAddress, parseIp } from '@weft/ip'
import { execInPod, type KubeConnection, listObjects } from '@weft/kube'
import type { Answer } from '../ask.ts'
import { type Cluster, type ClusterNode, formatPlace, type Place, type ProbeImage, type RunResult } from '../cluster.ts'
import { demoNamespace, ports } from '../demo.ts'
import { podDoor } from './admin-door.ts'
import type { ClusterDescriptor } from './descriptor.ts'
import { agentContainer, podOn } from './find-pods.ts'
import { runCommand } from './run-command.ts'

/** What is known of a real cluster beside its API. */
export interface ClusterAccess {
  readonly kube: KubeConnection
  /** How its machines are entered; a cluster of which only a kubeconfig is known has none of it. */
  readonly machines?: Pick<ClusterDescriptor, 'nodes' | 'outside'> | undefined
  readonly probe: ProbeImage
  /** Starts the probe program on this machine, for questions from outside. */
  readonly localProbe: readonly string[]
  /** Where agents run. @default 'kube-system' */
  readonly namespace?: string | undefined
}

export interface OpenCluster extends Cluster, AsyncDisposable {
  readonly kube: KubeConnection
}

/** Ends every process of this machine that is an agent; the brackets keep the search from finding itself. */
const killScript = 'n=0; for p in /proc/[0-9]*; do if tr "\\0" " " <"$p/cmdline" 2>/dev/null | grep -q "[w]eft-agent"; then kill -KILL "${p#/proc/}" && n=1; fi; done; test $n = 1'

/**
 * A real cluster as the checks and the end-to-end tests see one. In pods commands run through the API (`pods/exec`); so do
 * questions from nodes, which the demo's pods on the hosts' network put.
 */
export async function openCluster({ kube, machines, probe, localProbe, namespace = 'kube-system' }: ClusterAccess): Promise<OpenCluster> {
  const nodes = (await listObjects(kube, nodeResource.path)).items.map(nodeResource.trim)
  const cidrs = nodes.flatMap(({ podCidrs }) => podCidrs)
  const families = ([4, 6] as const).filter((family) => (cidrs.length > 0 ? cidrs : nodes.flatMap(({ internalIps }) => internalIps)).some((each) => each.family === family))
  const outside = machines?.outside
  const stack = new AsyncDisposableStack()
  let addresses: readonly IpAddress[] = []

  if (outside !== undefined) {
    const first = nodes[0]?.internalIps ?? []
    const asks = families.map((family) => ({ kind: 'source', host: formatIp(first.find((ip) => ip.family === family)!) }))
    const { stdout, stderr } = await runCommand([...outside.exec, ...localProbe, 'ask'], { stdin: JSON.stringify(asks), timeoutMs: 10_000 })
    if (stdout === '') throw new Error(`Cannot ask from outside: ${stderr.trim()}`)
    addresses = (JSON.parse(stdout) as readonly Answer[]).flatMap(({ answers }) => answers.map(parseIp))
    stack.use(serve([...outside.exec, ...localProbe, 'netexec', `--http-port=${ports.http}`, `--udp-port=${ports.udp}`]))
    await untilServed([...outside.exec, ...localProbe, 'ask'], addresses[0]!)
  }

  const inPod = async (pod: { readonly namespace: string, readonly name: string, readonly container?: string | undefined }, command: readonly string[], { stdin, timeoutMs, signal }: { readonly stdin?: string, readonly timeoutMs?: number, readonly signal?: AbortSignal } = {}): Promise<RunResult> => {
    const signals = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter((each) => each !== undefined)
    return await execInPod(kube, pod, command, { stdin, signal: AbortSignal.any(signals) })
  }
  const prefixOf = (place: Exclude<Place, { readonly kind: 'pod' }>): readonly string[] => {
    const exec = place.kind === 'outside' ? outside?.exec : machines?.nodes[place.name]?.exec
    if (exec === undefined) throw new Error(`Cannot run a command in ${formatPlace(place)}: nothing tells how it is entered`)
    return exec
  }

  return {
    kube,
    families,
    nodes: nodes.map(({ name, internalIps }): ClusterNode => ({ name, ips: internalIps })).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    outside: addresses,
    dnsBesideAgent: true,
    probe,
    async ask(place, questions, options) {
      switch (place.kind) {
        case 'pod': return await inPod(place, [...probe.command, 'ask'], { ...options, stdin: questions })
        case 'node': return await inPod(await podOn(kube, place.name, { namespace: demoNamespace, labels: 'app=host' }), [...probe.command, 'ask'], { ...options, stdin: questions })
        case 'outside': return await runCommand([...prefixOf(place), ...localProbe, 'ask'], { ...options, stdin: questions })
        default: return place satisfies never
      }
    },
    run: async (place, command, options) => place.kind === 'pod' ? await inPod(place, command, options) : await runCommand([...prefixOf(place), ...command], options),
    killAgent: machines === undefined || Object.keys(machines.nodes).length === 0 ? undefined : async (node) => {
      const { code, stderr } = await runCommand([...prefixOf({ kind: 'node', name: node }), 'sh', '-c', killScript], { timeoutMs: 10_000 })
      if (code !== 0) throw new Error(`Cannot kill agent of node "${node}": ${stderr.trim() || 'no such process runs'}`)
    },
    async agentStatus(node) {
      const pod = await podOn(kube, node, { namespace, labels: agentContainer.labels })
      return await adminClient(agentCalls, podDoor(kube, pod, agentContainer)).status({})
    },
    async [Symbol.asyncDispose]() {
      await stack.disposeAsync()
    },
  }
}

/** Asks the server outside until it answers; one that never does shows in the checks that want it. */
async function untilServed(ask: readonly string[], ip: IpAddress): Promise<void> {
  const question = JSON.stringify([{ kind: 'http', host: formatIp(ip), port: ports.http, path: '/healthz' }])
  for (let tries = 0; tries < serverTries; tries += 1) {
    const { stdout } = await runCommand(ask, { stdin: question, timeoutMs: 10_000 })
    if ((JSON.parse(stdout) as readonly Answer[])[0]?.ok === true) return
  }
}

/** Each takes as long as a program takes to start. */
const serverTries = 20

/** A program of this machine that runs until disposed. */
function serve([file, ...args]: readonly string[]): AsyncDisposable {
  const child: ChildProcess = spawn(file!, args, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
