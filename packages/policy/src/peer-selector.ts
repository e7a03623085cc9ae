import { createHash } from 'node:crypto'
import { formatLabelSelector, type LabelSelector, selectorMatches } from '@weft/api'
import type { PolicyPod } from './model.ts'

/** Pods that a peer of a rule stands for. */
export interface PeerSelector {
  /** Equal for selectors that select the same, in any cluster. */
  readonly id: string
  /** The one namespace; absent when `namespaces` selects them. */
  readonly namespace: string | undefined
  readonly namespaces: LabelSelector | undefined
  readonly pods: LabelSelector
}

/** Pods of the policy's own namespace, or of those its namespaceSelector selects. */
export function peerSelector(policyNamespace: string, peer: { readonly namespaces: LabelSelector | undefined, readonly pods: LabelSelector | undefined }): PeerSelector {
  const namespace = peer.namespaces === undefined ? policyNamespace : undefined
  const pods = peer.pods ?? []
  return { id: shortHash(`${namespace === undefined ? `[${formatLabelSelector(peer.namespaces!)}]` : namespace} ${formatLabelSelector(pods)}`), namespace, namespaces: peer.namespaces, pods }
}

/** All pods of all namespaces. */
export const everyPod: PeerSelector = { id: shortHash('[<all>] <all>'), namespace: undefined, namespaces: [], pods: [] }

/** @param namespaceLabels Of the pod's namespace; undefined while that is unknown, and then only its name can match. */
export function selects(selector: PeerSelector, pod: PolicyPod, namespaceLabels: Readonly<Record<string, string>> | undefined): boolean {
  if (selector.namespace !== undefined ? selector.namespace !== pod.namespace : namespaceLabels === undefined || !selectorMatches(selector.namespaces!, namespaceLabels)) return false
  return selectorMatches(selector.pods, pod.labels)
}

/** Twelve hex digits of SHA-256: names of sets and chains are made of it, never of what users write. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
