/** An object as it is sent over the wire. */
export interface FakeObject {
  apiVersion?: string
  kind?: string
  metadata: {
    name?: string
    generateName?: string
    namespace?: string
    uid?: string
    resourceVersion?: string
    creationTimestamp?: string
    deletionTimestamp?: string
    finalizers?: string[]
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  spec?: unknown
  status?: unknown
  [field: string]: unknown
}

/** What a request is answered with when it fails. */
export class FakeStatus extends Error {
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }

  get body(): object {
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: this.message, reason: this.reason, code: this.status }
  }
}

/** Whether an object passes `fieldSelector` and `labelSelector`; equality and existence are understood. */
export function selects(selectors: { readonly fields?: string | undefined, readonly labels?: string | undefined }, object: FakeObject): boolean {
  return terms(selectors.fields).every((term) => matches(term, (path) => path.split('.').reduce<unknown>(step, object)))
    && terms(selectors.labels).every((term) => matches(term, (key) => object.metadata.labels?.[key]))
}

function terms(selector: string | undefined): readonly string[] {
  return selector === undefined || selector === '' ? [] : selector.split(',')
}

function matches(term: string, read: (key: string) => unknown): boolean {
  const match = /^(!?)([^=!\s()]+)(?:(!=|==?)([^=!\s()]*))?$/.exec(term)
  if (match === null) throw new FakeStatus(400, 'BadRequest', `selector "${term}" is not understood here`)
  const [, not, key, operator, wanted] = match
  const value = read(key!)
  if (operator === undefined) return (value !== undefined) === (not === '')
  const same = (typeof value === 'string' ? value : JSON.stringify(value) ?? '') === wanted
  return operator === '!=' ? !same : same
}

function step(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}
