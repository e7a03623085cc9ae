// Read first: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ (dnsPolicy, dnsConfig).
import type { PodObject } from './pod-object.ts'

export interface ResolverFacts {
  /** Addresses of the DNS Service. */
  readonly servers: readonly string[]
  /** E.g. `cluster.local`. */
  readonly domain: string
  /** The node's own resolv.conf. */
  readonly nodeText: string
}

interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

/** The resolv.conf of a pod's containers, by its dnsPolicy and dnsConfig. */
export function podResolvConf({ metadata, spec }: PodObject, facts: ResolverFacts): string {
  const cluster: ResolvConf = {
    nameservers: facts.servers,
    searches: [`${metadata.namespace}.svc.${facts.domain}`, `svc.${facts.domain}`, facts.domain],
    options: ['ndots:5'],
  }
  const base = ((): ResolvConf => {
    switch (spec.dnsPolicy ?? 'ClusterFirst') {
      case 'None': return { nameservers: [], searches: [], options: [] }
      case 'Default': return parse(facts.nodeText)
      case 'ClusterFirstWithHostNet': return cluster
      // KEP-free corner: on the host network ClusterFirst means Default.
      default: return spec.hostNetwork === true ? parse(facts.nodeText) : cluster
    }
  })()
  const extra = spec.dnsConfig
  const nameservers = unique([...base.nameservers, ...(extra?.nameservers ?? [])])
  const searches = unique([...base.searches, ...(extra?.searches ?? [])])
  const options = new Map(base.options.map((option) => [option.split(':')[0]!, option]))
  for (const { name, value } of extra?.options ?? []) options.set(name, value === undefined ? name : `${name}:${value}`)
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(options.size > 0 ? [`options ${[...options.values()].join(' ')}`] : []),
    '',
  ].join('\n')
}

function parse(text: string): ResolvConf {
  const words = text.split('\n').map((line) => line.trim().split(/\s+/))
  const of = (key: string): string[] => words.filter(([first]) => first === key).flatMap(([, ...rest]) => rest)
  return { nameservers: of('nameserver'), searches: of('search'), options: of('options') }
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)]
}
