/** Whole numbers from `from` to `to`, both included: addresses or ports. */
export interface Span {
  readonly from: bigint
  readonly to: bigint
}

/** The same numbers in the fewest spans, sorted: none overlaps or touches another. */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = merged.at(-1)
    if (last === undefined || span.from > last.to + 1n) merged.push(span)
    else if (span.to > last.to) merged[merged.length - 1] = { from: last.from, to: span.to }
  }
  return merged
}

/** What of a span is in none of the holes. */
export function cutSpan(span: Span, holes: readonly Span[]): readonly Span[] {
  const rest: Span[] = []
  let { from } = span
  for (const hole of mergeSpans(holes)) {
    if (hole.from > from) rest.push({ from, to: hole.from - 1n < span.to ? hole.from - 1n : span.to })
    if (hole.to >= from) from = hole.to + 1n
    if (from > span.to) return rest
  }
  return [...rest, { from, to: span.to }]
}
