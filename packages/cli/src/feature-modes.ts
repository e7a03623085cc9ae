import type { Capability } from '@weft/netlink'

/** What a feature of Weft can do on a kernel. */
export interface FeatureMode {
  readonly feature: string
  readonly mode: 'full' | 'reduced' | 'refused' | 'unknown'
  /** One for each capability that is missing or could not be asked for. */
  readonly reasons: readonly string[]
}

interface Needs {
  readonly feature: string
  /** Capabilities without which its rules or links are refused as a whole. */
  readonly needs: readonly string[]
  /** Capabilities whose absence costs a part. */
  readonly uses: readonly string[]
}

const features: readonly Needs[] = [
  { feature: 'cni', needs: ['veth', 'nf_tables inet', 'nft nat chain', 'nft fib'], uses: ['tbf', 'conntrack netlink'] },
  { feature: 'overlay', needs: ['nf_tables inet', 'nft nat chain', 'nft masq'], uses: ['vxlan', 'wireguard'] },
  { feature: 'proxy', needs: ['nf_tables inet', 'nft nat chain', 'nft route chain', 'nft numgen'], uses: ['nft fib', 'nft notrack', 'nft reject', 'conntrack SCTP', 'conntrack netlink', 'conntrack CTA_FILTER', 'SO_SNDBUFFORCE', 'nft redir', 'br_netfilter'] },
  { feature: 'policy', needs: ['nf_tables inet'], uses: ['nft log', 'conntrack netlink', 'conntrack CTA_FILTER', 'SO_SNDBUFFORCE'] },
  { feature: 'dns', needs: [], uses: ['nft notrack'] },
  { feature: 'sandbox', needs: ['bridge', 'veth', 'user namespaces'], uses: [] },
]

/** Capabilities that the network as a whole cannot do without; the sandbox is a tool beside it. */
export const neededCapabilities: ReadonlySet<string> = new Set(features.filter(({ feature }) => feature !== 'sandbox').flatMap(({ needs }) => needs))

/**
 * What every feature makes of a kernel.
 *
 * @throws {TypeError} If a feature names a capability that is not among those given: a mistake of the program.
 */
export function featureModes(capabilities: readonly Capability[]): readonly FeatureMode[] {
  const byName = new Map(capabilities.map((each) => [each.name, each]))
  const find = (name: string): Capability => {
    const found = byName.get(name)
    if (found === undefined) throw new TypeError(`Cannot judge features by capability "${name}": it is not probed`)
    return found
  }
  return features.map(({ feature, needs, uses }) => {
    const [needed, used] = [needs.map(find), uses.map(find)]
    const gone = needed.filter(({ present }) => present === false)
    const lost = used.filter(({ present }) => present === false)
    const open = needed.filter(({ present }) => present === undefined)
    const reasons = [
      ...gone.map(({ name, since, options }) => `needs ${name} (Linux ${since} with ${options}, or its module)`),
      ...lost.map(({ name, without }) => `without ${name}: ${without}`),
      ...open.map(({ name }) => `${name} could not be asked for`),
    ]
    return { feature, reasons, mode: gone.length > 0 ? 'refused' : open.length > 0 ? 'unknown' : lost.length > 0 ? 'reduced' : 'full' }
  })
}
