declare const brand: unique symbol

/** What tells a pod from an earlier or later one of the same name. */
export type PodUid = string & { readonly [brand]: 'PodUid' }

const pattern = /^[!-~]{1,253}$/

/**
 * Parses the uid of a pod. The API server makes UUIDs, but the uid of a static pod is a hash of its file, or whatever the file says:
 * a word of printable ASCII of at most 253 characters.
 *
 * @throws {SyntaxError}
 */
export function parsePodUid(text: string): PodUid {
  if (!pattern.test(text)) throw new SyntaxError(`Cannot parse pod uid ${JSON.stringify(text.slice(0, 253))}: wanted a word of at most 253 characters of printable ASCII`)
  return text as PodUid
}

/** The uid in a place that may hold anything, such as an annotation or what an older version stored; what is none names no pod. */
export function podUidFrom(value: unknown): PodUid | undefined {
  return typeof value === 'string' && pattern.test(value) ? value as PodUid : undefined
}
