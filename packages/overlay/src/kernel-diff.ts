/** What to write and what to delete so that the kernel has just what is wanted. */
export interface Difference<Wanted, Present> {
  readonly missing: readonly Wanted[]
  readonly surplus: readonly Present[]
}

/** Compares two lists by text: equal text means the kernel has it as wanted. */
export function difference<Wanted, Present>(
  wanted: { readonly items: readonly Wanted[], readonly text: (item: Wanted) => string },
  present: { readonly items: readonly Present[], readonly text: (item: Present) => string },
): Difference<Wanted, Present> {
  const have = new Set(present.items.map(present.text))
  const want = new Set(wanted.items.map(wanted.text))
  return {
    missing: wanted.items.filter((item) => !have.has(wanted.text(item))),
    surplus: present.items.filter((item) => !want.has(present.text(item))),
  }
}
