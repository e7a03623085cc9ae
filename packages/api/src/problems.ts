import { Field } from './field.ts'
import { InvalidObjectError } from './invalid-object.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'

/**
 * What of an object could not be read, where the rest is to be used all the same: a policy that is refused whole would leave
 * its pods open (promise P4).
 */
export class Problems {
  readonly #messages: string[] = []

  /** Field and problem of each failure, e.g. `spec.podSelector is not an object`. */
  get messages(): readonly string[] {
    return this.#messages
  }

  /** What `read` gives; undefined, and one message more, for what it refuses. */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof InvalidObjectError)) throw error
      this.#messages.push(error.message.slice(`Cannot use ${error.object}: `.length))
      return undefined
    }
  }

  /** Those items of a list that can be read, and whether that is all of them. */
  readable<T>(list: Field, read: (item: Field) => T): { readonly items: readonly T[], readonly whole: boolean } {
    const fields = this.attempt(() => list.items())
    const items = (fields ?? []).flatMap((field): readonly T[] => {
      const item = this.attempt(() => read(field.required()))
      return item === undefined ? [] : [item]
    })
    return { items, whole: fields !== undefined && items.length === fields.length }
  }

  /** {@link openObject}, for an object of which only name and namespace have to be readable. */
  open(kind: string, object: unknown): { readonly root: Field, readonly meta: ObjectMeta } {
    const opened = this.attempt(() => openObject(kind, object))
    if (opened !== undefined) return opened
    const metadata = new Field(kind, '', object).get('metadata')
    return openObject(kind, { ...object as object, metadata: { name: metadata.get('name').value, namespace: metadata.get('namespace').value } })
  }
}
