import { formatLabelSelector, type LabelSelector, selectorMatches } from '@weft/api'
import type { PolicyPod } from './model.ts'
import { textHash } from './names.ts'

/** Pods of one namespace, or of those that `namespaces` selects. */
interface SelectedPods {
  readonly namespace: string | undefined
  readonly namespaces: LabelSelector | undefined
  readonly pods: LabelSelector
}

/** Pods that a peer of a rule stands for, or several peers together. */
export interface PeerSelector {
  /** Equal for selectors that select the same, in any cluster. */
  readonly id: string
  /** The selector in words, `namespaces pods`. */
  readonly text: string
  readonly any: readonly SelectedPods[]
}

/** Pods of the policy's own namespace, or of those its namespaceSelector selects. */
export function peerSelector(policyNamespace: string, peer: { readonly namespaces: LabelSelector | undefined, readonly pods: LabelSelector | undefined }): PeerSelector {
  const namespace = peer.namespaces === undefined ? policyNamespace : undefined
  const pods = peer.pods ?? []
  // No namespace is called `[…]`, so the two forms cannot be taken for each other.
  const text = `${peer.namespaces === undefined ? policyNamespace : `[${formatLabelSelector(peer.namespaces)}]`} ${formatLabelSelector(pods)}`
  return { id: textHash(text), text, any: [{ namespace, namespaces: peer.namespaces, pods }] }
}

/** All of them as one. */
export function anyOf(selectors: readonly PeerSelector[]): PeerSelector {
  const sorted = selectors.toSorted((a, b) => (a.text < b.text ? -1 : 1))
  const text = sorted.map((selector) => selector.text).join(' | ')
  return { id: textHash(text), text, any: sorted.flatMap(({ any }) => any) }
}

/** The namespaces that all of its pods are in; undefined when others may be meant. */
export function namespacesOf({ any }: PeerSelector): readonly string[] | undefined {
  const names = any.map(({ namespace }) => namespace)
  return names.includes(undefined) ? undefined : [...new Set(names as readonly string[])]
}

/** @param namespaceLabels Of the pod's namespace; undefined while that is unknown, and then only its name can match. */
export function selects({ any }: PeerSelector, pod: PolicyPod, namespaceLabels: Readonly<Record<string, string>> | undefined): boolean {
  return any.some(({ namespace, namespaces, pods }) => (namespace === undefined ? namespaceLabels !== undefined && selectorMatches(namespaces!, namespaceLabels) : namespace === pod.namespace) && selectorMatches(pods, pod.labels))
}
