import { readFile } from 'node:fs/promises'
import { type ChainGraph, type ChainJump, type Nft, type TableName, Transaction } from '@weft/nftables'

/** The kernel as far as another program's rules are concerned. */
export type ForeignKernel = Pick<Nft, 'commit'> & { graph(family: TableName['family'], name: string): ChainGraph | undefined }

/** Chains of kube-proxy in a table that it shares with others: those of iptables-nft. */
interface LeftChains {
  readonly table: TableName
  readonly chains: readonly string[]
  /** Rules in the chains of the kernel's hooks that lead to them. */
  readonly jumps: readonly ChainJump[]
  /** Chains that rules of somebody else lead to: they stay. */
  readonly kept: readonly string[]
}

/** What kube-proxy left behind on this node. */
export interface Leftovers {
  /** Its own tables (nftables mode). */
  readonly tables: readonly TableName[]
  readonly chains: readonly LeftChains[]
  /** What we do not remove, each as a sentence with what to do. */
  readonly others: readonly string[]
}

const families = ['ip', 'ip6'] as const
/** Tables of iptables that kube-proxy writes to. */
const shared = ['nat', 'filter', 'mangle'] as const
const hookChains: readonly string[] = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']
/** Chains of kube-proxy in its iptables and IPVS modes. KUBE-FIREWALL, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT and KUBE-MARK-DROP are the kubelet's. */
const kubeProxyChain = /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS|NODE-PORT|POSTROUTING|MARK-MASQ|FORWARD|PROXY-FIREWALL|PROXY-CANARY|LOAD-BALANCER|SOURCE-RANGES-FIREWALL|IPVS-FILTER|IPVS-OUT-FILTER|(?:SVC|SVL|SEP|EXT|FW|XLB)-.+)$/

/** Looks for what kube-proxy left. Reads only. */
export async function findLeftovers(kernel: ForeignKernel, read: (path: string) => Promise<string> = async (path) => await readFile(path, 'utf8').catch(() => '')): Promise<Leftovers> {
  const tables = families.map((family): TableName => ({ family, name: 'kube-proxy' })).filter(({ family, name }) => kernel.graph(family, name) !== undefined)
  const chains = families.flatMap((family) => shared.flatMap((name) => chainsIn({ family, name }, kernel.graph(family, name))))
  const others: string[] = []
  for (const [command, path] of [['iptables-legacy', '/proc/self/net/ip_tables_names'], ['ip6tables-legacy', '/proc/self/net/ip6_tables_names']] as const) {
    const used = (await read(path)).split('\n').filter((name) => shared.some((known) => known === name))
    if (used.length > 0) others.push(`${command} is in use (tables ${used.join(', ')}): look for KUBE- chains with \`${command}-save\` and remove them with kube-proxy --cleanup or restart the node`)
  }
  // The first three lines are the head of the list.
  const virtual = (await read('/proc/self/net/ip_vs')).split('\n').filter((line) => /^(?:TCP|UDP|SCTP|FWM)\b/.test(line))
  if (virtual.length > 0) others.push(`IPVS has ${virtual.length} virtual servers, which take packets before we see them: remove them with kube-proxy --cleanup (or \`ipvsadm --clear\` and \`ip link delete kube-ipvs0\`)`)
  return { tables, chains, others }
}

function chainsIn(table: TableName, graph: ChainGraph | undefined): readonly LeftChains[] {
  if (graph === undefined) return []
  const isOurs = (name: string): boolean => kubeProxyChain.test(name)
  const found = graph.chains.filter(isOurs)
  if (found.length === 0) return []
  const kept = new Set(graph.jumps.filter(({ chain, to }) => isOurs(to) && !isOurs(chain) && !hookChains.includes(chain)).map(({ to }) => to))
  // What a kept chain leads to is kept with it; a set that grows while it is walked is walked to its end.
  for (const name of kept) for (const { chain, to } of graph.jumps) if (chain === name && isOurs(to)) kept.add(to)
  return [{
    table, kept: [...kept], chains: found.filter((name) => !kept.has(name)),
    jumps: graph.jumps.filter(({ chain, to }) => hookChains.includes(chain) && isOurs(to)),
  }]
}

/** Removes what can be removed, one transaction a table. */
export function removeLeftovers(kernel: ForeignKernel, { tables, chains }: Leftovers): void {
  for (const { table, chains: names, jumps } of chains) {
    const transaction = new Transaction(table)
    for (const { chain, handle } of jumps) transaction.deleteRule(chain, handle)
    for (const name of names) transaction.flushChain(name)
    for (const name of names) transaction.deleteChain(name)
    kernel.commit(transaction)
  }
  for (const table of tables) kernel.commit(new Transaction(table).destroyTable())
}

/** One line for each thing; empty when nothing is left. */
export function describeLeftovers({ tables, chains, others }: Leftovers): readonly string[] {
  return [
    ...tables.map(({ family, name }) => `table ${family} ${name}`),
    ...chains.flatMap(({ table, chains: names, kept }) => [
      ...(names.length === 0 ? [] : [`table ${table.family} ${table.name} of iptables: ${names.length} chains of kube-proxy (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`]),
      ...(kept.length === 0 ? [] : [`table ${table.family} ${table.name} of iptables: ${kept.join(', ')} cannot be removed, as rules of another program lead there`]),
    ]),
    ...others,
  ]
}
