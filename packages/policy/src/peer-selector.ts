import { formatLabelSelector, type LabelSelector, selectorMatches } from '@weft/api'
import type { PolicyPod } from './model.ts'
import { textHash } from './names.ts'

/** Pods that a peer of a rule stands for. */
export interface PeerSelector {
  /** Equal for selectors that select the same, in any cluster. */
  readonly id: string
  /** The selector in words, `namespaces pods`. */
  readonly text: string
  /** The one namespace; absent when `namespaces` selects them. */
  readonly namespace: string | undefined
  readonly namespaces: LabelSelector | undefined
  readonly pods: LabelSelector
}

/** Pods of the policy's own namespace, or of those its namespaceSelector selects. */
export function peerSelector(policyNamespace: string, peer: { readonly namespaces: LabelSelector | undefined, readonly pods: LabelSelector | undefined }): PeerSelector {
  const namespace = peer.namespaces === undefined ? policyNamespace : undefined
  const pods = peer.pods ?? []
  // No namespace is called `[…]`, so the two forms cannot be taken for each other.
  const text = `${peer.namespaces === undefined ? policyNamespace : `[${formatLabelSelector(peer.namespaces)}]`} ${formatLabelSelector(pods)}`
  return { id: textHash(text), text, namespace, namespaces: peer.namespaces, pods }
}

/** @param namespaceLabels Of the pod's namespace; undefined while that is unknown, and then only its name can match. */
export function selects(selector: PeerSelector, pod: PolicyPod, namespaceLabels: Readonly<Record<string, string>> | undefined): boolean {
  if (selector.namespace !== undefined) return selector.namespace === pod.namespace && selectorMatches(selector.pods, pod.labels)
  return namespaceLabels !== undefined && selectorMatches(selector.namespaces!, namespaceLabels) && selectorMatches(selector.pods, pod.labels)
}
