import type { PodObject } from './pod-object.ts'

/** What `hostname` says in a pod: spec.hostname or its name, cut to what the kernel takes; the node's on its network. */
export function podHostname({ spec, metadata }: PodObject): string {
  if (spec.hostNetwork === true && spec.nodeName !== undefined) return spec.nodeName
  const name = spec.hostname === undefined || spec.hostname === '' ? metadata.name : spec.hostname
  return name.slice(0, 63).replace(/[-.]+$/, '')
}
