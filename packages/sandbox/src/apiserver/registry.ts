import { apiVersionOf, type Kind } from './kind.ts'

/** All kinds being served; custom resources come and go. */
export class KindRegistry {
  readonly #byPath = new Map<string, Kind>()
  /** Rises with every change: a key for caches of discovery documents. */
  #generation = 0

  constructor(kinds: Iterable<Kind>) {
    for (const kind of kinds) this.add(kind)
  }

  get generation(): number {
    return this.#generation
  }

  add(kind: Kind): void {
    this.#byPath.set(pathKey(kind.group, kind.version, kind.resource), kind)
    this.#generation++
  }

  remove(kind: Kind): void {
    this.#byPath.delete(pathKey(kind.group, kind.version, kind.resource))
    this.#generation++
  }

  find(group: string, version: string, resource: string): Kind | undefined {
    return this.#byPath.get(pathKey(group, version, resource))
  }

  /** A kind by what objects say about themselves. */
  findByKind(apiVersion: string, name: string): Kind | undefined {
    return this.all().find(kind => kind.kind === name && apiVersionOf(kind) === apiVersion)
  }

  all(): readonly Kind[] {
    return [...this.#byPath.values()]
  }

  /** Group names with their versions, in the order they were added; the core group is ''. */
  groups(): ReadonlyMap<string, readonly string[]> {
    const groups = new Map<string, string[]>()
    for (const { group, version } of this.#byPath.values()) {
      const versions = groups.get(group)
      if (versions === undefined) groups.set(group, [version])
      else if (!versions.includes(version)) versions.push(version)
    }
    return groups
  }
}

function pathKey(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`
}
