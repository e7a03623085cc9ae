import { type Namespace, type Node, parseFqdn, type Pod } from '@weft/api'
import { formatIp, parseIp } from '@weft/ip'
import { policyConfigSchema } from '../src/config.ts'
import { createEvaluator, type Judgement, type Packet, type PolicyCluster } from '../src/evaluator/index.ts'
import { watchDns } from '../src/watch.ts'
import { domainAnswers, ownAddress } from './arbitraries.ts'
import { nodeName, storesOf } from './cluster.ts'

/** Objects as the evaluator wants them. */
export function clusterOf(objects: readonly object[]): PolicyCluster & { readonly pods: readonly Pod[], readonly namespaces: readonly Namespace[], readonly nodes: readonly Node[] } {
  const { pods, namespaces, policies, clusterPolicies, nodes, services, slices } = storesOf(objects)
  const { dnsService, dnsLabels } = policyConfigSchema.parse({})
  const names = new Map(Object.entries(domainAnswers).map(([name, ips]) => [parseFqdn(name), ips.map((ip) => parseIp(ip))]))
  return {
    pods: [...pods.values()], namespaces: [...namespaces.values()], policies: policies.values(), nodes: [...nodes.values()], clusterPolicies: clusterPolicies.flatMap((store) => [...store.values()]), names,
    dns: watchDns(services.get(dnsService), [...slices.values()], dnsLabels),
  }
}

/** Whether a packet gets through on `node-1`: a node has the policies of its own pods, and always reaches them. */
export function judgeHere(objects: readonly object[], { closesRanges = false }: { readonly closesRanges?: boolean } = {}): (packet: Packet) => boolean {
  const judge = createEvaluator({ ...clusterOf(objects), closesRangesOf: closesRanges ? nodeName : undefined })
  const isHere = ({ reason, subject }: Judgement): boolean => reason === 'unknown pod' || subject?.nodeName === nodeName
  return (packet) => {
    if (Object.values(ownAddress).includes(formatIp(packet.from))) return true
    const { egress, ingress } = judge(packet)
    return [egress, ingress].every((side) => side.allowed || !isHere(side))
  }
}
