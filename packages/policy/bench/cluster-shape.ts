import { type NetworkPolicy, type Pod, toNetworkPolicy, toPod } from '@weft/api'
import { networkPolicy, nodeName, pod } from '../test/cluster.ts'
import { PolicyState } from '../src/state.ts'
import { watchPeer, watchTarget } from '../src/watch.ts'

/** Pods of the node that is measured. */
export const localPods = 250

export interface ClusterShape {
  readonly pods: number
  readonly policies: number
  readonly namespaces: number
}

export function podKey(index: number, namespaces: number): string {
  return `n${index % namespaces}/p${index}`
}

/** The first of them are on the node that is measured. */
export function podObject(index: number, namespaces: number): object {
  return pod(podKey(index, namespaces), {
    ips: [`10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`], labels: { app: `a${Math.floor(index / namespaces) % 100}`, tier: `t${index % 3}` }, node: index < localPods ? nodeName : 'node-2',
  })
}

function podOf(index: number, namespaces: number): Pod {
  return toPod(podObject(index, namespaces))
}

/** As people write them: one app of a namespace admits another one, its own tier and the monitoring. */
export function policyObject(index: number, namespaces: number): object {
  const app = Math.floor(index / namespaces) % 100
  return networkPolicy(`n${index % namespaces}/policy-${index}`, {
    podSelector: { matchLabels: { app: `a${app}` } },
    ingress: [
      { from: [{ podSelector: { matchLabels: { app: `a${(app + 1) % 100}` } } }, { podSelector: { matchLabels: { tier: `t${index % 3}` } } }], ports: [{ port: 80 + (index % 20) }] },
      { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'n1' } } }], ports: [{ port: 9090 }] },
    ],
  })
}

function policyOf(index: number, namespaces: number): NetworkPolicy {
  return toNetworkPolicy(policyObject(index, namespaces))
}

export function clusterState({ pods, policies, namespaces }: ClusterShape): PolicyState {
  const state = new PolicyState()
  for (let index = 0; index < namespaces; index += 1) state.setNamespace(`n${index}`, { labels: { 'kubernetes.io/metadata.name': `n${index}` }, deleting: false })
  for (let index = 0; index < pods; index += 1) {
    const [key, found] = [podKey(index, namespaces), podOf(index, namespaces)]
    state.setPeer(key, watchPeer(found))
    if (index < localPods) state.setTarget(key, watchTarget(found, found))
  }
  for (let index = 0; index < policies; index += 1) {
    const policy = policyOf(index, namespaces)
    state.setPolicy(`${policy.namespace}/${policy.name}`, policy)
  }
  return state
}
