import type { AgentStatus, NodeName } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import type { KubeClient } from '@weft/kube'

/** Where a command can run: in a container of a pod, in a node's network, or on a machine that is no part of the cluster. */
export type Place =
  | { readonly kind: 'pod', readonly namespace: string, readonly name: string, readonly container?: string }
  | { readonly kind: 'node', readonly name: NodeName }
  | { readonly kind: 'outside' }

export interface ClusterNode {
  readonly name: NodeName
  readonly ips: readonly IpAddress[]
  /** Nodes with the same word reach each other without a router. Absent where nobody here knows: the kernels' routes tell then. */
  readonly link?: string | undefined
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** How pods run the probe program, whose subcommands are those of agnhost and `ask`. */
export interface ProbeImage {
  readonly image: string
  /** What stands before the subcommand. */
  readonly command: readonly string[]
}

/** A running cluster, the sandbox or a real one, as the proofs and the end-to-end tests see it. */
export interface Cluster {
  readonly kube: KubeClient
  readonly families: readonly (4 | 6)[]
  /** In order of name; the first two share a link, and the last is behind a router where the cluster has one. */
  readonly nodes: readonly ClusterNode[]
  /**
   * The device through which a node sends to pods behind a router, and to no others. Absent where nobody here knows the
   * links, or where the network under the cluster carries the pods' packets: the path is then not judged.
   */
  readonly tunnel?: string | undefined
  /** Addresses of the machine outside; empty when there is none: what it would prove is then not tried. */
  readonly outside: readonly IpAddress[]
  readonly probe: ProbeImage
  /** Runs the probe program's `ask` at a place, with these questions on its standard input. */
  ask(place: Place, questions: string, options: { readonly timeoutMs: number, readonly signal: AbortSignal }): Promise<RunResult>
  /** @throws {Error} When the command could not be started; a command that fails only has a code. */
  run(place: Place, command: readonly string[], options?: { readonly stdin?: string, readonly timeoutMs?: number, readonly signal?: AbortSignal }): Promise<RunResult>
  /** Ends the agent of a node with SIGKILL; whoever supervises it starts it again. Absent: nobody here may. */
  readonly killAgent?: ((node: NodeName) => Promise<void>) | undefined
  agentStatus(node: NodeName): Promise<AgentStatus>
  /**
   * True where the DNS server is in the agent's pod: its endpoints leave and come back with the agent, and a new agent
   * has that to write. @default false
   */
  readonly dnsBesideAgent?: boolean | undefined
}

/** For messages: `demo/client`, `node n1`, `outside`. */
export function formatPlace(place: Place): string {
  switch (place.kind) {
    case 'pod': return `${place.namespace}/${place.name}`
    case 'node': return `node ${place.name}`
    case 'outside': return 'outside'
    default: return place satisfies never
  }
}
