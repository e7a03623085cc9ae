/** The kernel's numbers by our words. */
export type Names<Name extends string> = ReadonlyMap<Name, number>

/** The same, the other way round. */
export function byNumber<Name extends string>(names: Names<Name>): ReadonlyMap<number, Name> {
  return new Map([...names].map(([name, number]) => [number, name]))
}
