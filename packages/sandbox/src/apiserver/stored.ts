import { freezeJson, type KubeObject } from './json.ts'

/** An object as the store holds it: frozen, with its JSON written at most once for lists, watches and the journal. */
export class Stored {
  readonly key: string
  readonly revision: number
  readonly object: KubeObject
  #json: string | undefined

  /** @param object Owned by this value from here on: it is frozen. */
  constructor(key: string, revision: number, object: KubeObject) {
    this.key = key
    this.revision = revision
    this.object = freezeJson(object)
  }

  /** The object's JSON. */
  get json(): string {
    this.#json ??= JSON.stringify(this.object)
    return this.#json
  }
}
