import { release } from 'node:os'
import { type KernelFeature, kernelFeatures } from '@weft/netlink'
import { assign, baseChain, type Chain, chain, concat, ct, dnat, eq, fib, hasAny, ip, map, meta, type Nft, NftError, notrack, numgen, reject, rule, set, snat, type SetDeclaration, type MapDeclaration, table, Transaction, updateIn } from '@weft/nftables'
import { ProxyError } from './proxy-error.ts'

/** What the proxy can do without, each in its own way. */
export type Lack = 'fib' | 'reject' | 'notrack' | 'update' | 'sctp'

/** Something of the kernel's, and how our rules use it. */
interface Feature extends KernelFeature {
  readonly name: string
  /** What uses it as our rules do. */
  readonly chains: readonly Chain[]
  readonly sets?: readonly (SetDeclaration | MapDeclaration)[] | undefined
}

interface OptionalFeature extends Feature {
  readonly lack: Lack
  /** What becomes of Services without it. */
  readonly without: string
}

const nat = (...rules: Chain['rules']): readonly Chain[] => [baseChain('probe', { type: 'nat', hook: 'prerouting', priority: -100 }, rules)]
const clients = map('clients', { key: ['classid', 'ipv4_addr'], data: ['classid'], flags: ['dynamic', 'timeout'], size: 1 })
const ranges = set('ranges', { key: ['ipv4_addr', 'inet_service', 'ipv4_addr'], flags: ['interval'] })

const needed: readonly Feature[] = [
  { name: 'NAT in tables of the inet family', ...kernelFeatures.nat, chains: [...nat(rule(eq(meta.l4proto, 'tcp'), dnat({ family: 'ip', to: '192.0.2.1', port: 80 }))), baseChain('source', { type: 'nat', hook: 'postrouting', priority: 100 }, [rule(snat({ family: 'ip', to: '192.0.2.1' }))])] },
  { name: 'connection tracking in rules', since: '5.2', options: 'CONFIG_NF_CONNTRACK, CONFIG_NFT_CT', module: 'nft_ct', chains: [chain('probe', [rule(hasAny(ct.state, 'invalid'))])] },
  { name: 'random numbers in rules', ...kernelFeatures.numgen, chains: [chain('probe', [rule(assign(meta.priority, numgen('random', 2)))])] },
  { name: 'ranges of addresses beside ports', since: '5.6', options: 'CONFIG_NF_TABLES', chains: [], sets: [ranges] },
]

const optional: readonly OptionalFeature[] = [
  { lack: 'reject', name: 'refusals before routing', ...kernelFeatures.reject, chains: nat(rule(eq(meta.l4proto, 'tcp'), reject('tcp reset')), rule(reject())), without: 'what nobody serves is dropped instead of refused, and clients wait' },
  { lack: 'fib', name: 'lookups of routes in rules', ...kernelFeatures.fib, chains: nat(rule(eq(fib(['saddr'], 'type'), 'local'))), without: 'programs on this node that send from another than its first address get no answers from Services with a Local policy' },
  { lack: 'notrack', name: 'connections that are not tracked', ...kernelFeatures.notrack, chains: [baseChain('probe', { type: 'filter', hook: 'prerouting', priority: -300 }, [rule(notrack)])], without: 'UDP to the DNS Service is tracked like all other traffic' },
  { lack: 'update', name: 'sets that packets write to', since: '5.4', options: 'CONFIG_NF_TABLES', sets: [clients], chains: [chain('probe', [rule(updateIn(clients, concat(meta.priority, ip.saddr), { timeoutMs: 60_000, data: meta.priority }))])], without: 'session affinity is not kept' },
]

const sctp = { lack: 'sctp', name: 'tracking of SCTP', ...kernelFeatures.sctp, without: 'SCTP ports are not served' } as const

/** The sentence about something that is not there: what, what follows, and what to do. */
function sentence({ name, since, options, module, without }: Pick<OptionalFeature, 'name' | 'since' | 'options' | 'module' | 'without'>): string {
  return `this kernel (Linux ${release()}) has no ${name}: ${without}; ${module === undefined ? 'run' : `load the module ${module}, or run`} Linux ${since} or newer with ${options}`
}

/** What this kernel lacks, and a sentence about each. */
export interface KernelFindings {
  readonly lacks: ReadonlySet<Lack>
  readonly sentences: readonly string[]
}

/** The message where an SCTP port is refused. */
export const sctpOption: string = kernelFeatures.sctp.options

/**
 * Asks the kernel for everything that our rules use, in rules of a table that is never made.
 *
 * @param tracksSctp Asked afterwards: only then conntrack is in the kernel for sure. Undefined when it cannot be told.
 * @throws {ProxyError} `ERR_PROXY_KERNEL` when something is missing without which no Service can be served.
 */
export async function probeKernel(nft: Pick<Nft, 'check'>, tracksSctp: () => Promise<boolean | undefined>): Promise<KernelFindings> {
  const missing = needed.filter((feature) => !has(nft, feature))
  if (missing.length > 0) throw new ProxyError('ERR_PROXY_KERNEL', `Cannot serve Services: ${missing.map((feature) => sentence({ ...feature, without: 'no Service works without' })).join('. ')}`)
  const without: readonly Omit<OptionalFeature, 'chains'>[] = [...optional.filter((feature) => !has(nft, feature)), ...await tracksSctp() === false ? [sctp] : []]
  return { lacks: new Set(without.map(({ lack }) => lack)), sentences: without.map(sentence) }
}

/** What a kernel answers about an expression, chain or flag that it does not know. */
const unknown: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EINVAL'])

function has(nft: Pick<Nft, 'check'>, { chains, sets = [] }: Feature): boolean {
  const probe = table({ name: 'weft-proxy-probe', chains, sets: sets.filter((each) => each.kind === 'set'), maps: sets.filter((each) => each.kind === 'map') })
  try {
    nft.check(new Transaction(probe).addAll(probe))
    return true
  } catch (error) {
    if (error instanceof NftError && unknown.has(error.errno)) return false
    throw error
  }
}
