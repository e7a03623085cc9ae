import { chain, counter, drop, jump, limit, map, type MapDeclaration, meta, rule, type Rule, vmap } from '@weft/nftables'
import type { PodLimit } from './model.ts'

const limitMapName = { ingress: 'limited-ingress', egress: 'limited-egress' } as const

/** A chain for each limited pod, found by its link: the others pay for one look into a map, and for none where nobody is limited. */
export function limitMaps(limits: readonly PodLimit[]): readonly MapDeclaration[] {
  return (['ingress', 'egress'] as const).flatMap((direction) => {
    const elements = limits.filter((limit) => limit.direction === direction).map((limit) => ({ key: [limit.hostIfname], data: jump(limitChainName(limit)) }))
    return elements.length === 0 ? [] : [map(limitMapName[direction], { key: ['ifname'], data: 'verdict', elements })]
  })
}

export function limitChain(podLimit: PodLimit): ReturnType<typeof chain> {
  const { bytesPerSecond, burstBytes } = podLimit
  return chain(limitChainName(podLimit), [rule(limit(bytesPerSecond, 'second', { unit: 'bytes', burst: burstBytes, over: true }), counter(), drop)])
}

/** What looks for the chain of a packet's pod; none where nobody is limited. */
export function limitRules(direction: PodLimit['direction'], limits: readonly PodLimit[]): readonly Rule[] {
  return limits.some((limit) => limit.direction === direction) ? [rule(vmap(direction === 'egress' ? meta.iifname : meta.oifname, limitMapName[direction]))] : []
}

function limitChainName({ direction, hostIfname }: PodLimit): string {
  return `${direction}-${hostIfname}`
}
