import { type Cidr, cidrFrom, type IpAddress, isLinkLocal, isLoopback, isMulticast, isUnspecified, parseCidr, parseInterfaceAddress, parseIp } from '@weft/ip'
import { type DomainPattern, parseDomainPattern } from './domain-name.ts'
import { InvalidObjectError } from './invalid-object.ts'
import { type NodeName, parseNodeName } from './node-name.ts'
import { parsePodUid, type PodUid } from './pod-uid.ts'

const noItems: readonly never[] = Object.freeze([])
const noStrings: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>)

/** Name of a field in its object, or index of an item in its list. */
type Step = string | number

/**
 * A value somewhere inside an untrusted object, with the path that led to it: every reader below either returns the type
 * it names or throws {@link InvalidObjectError} with that path. Hand-written: tens of thousands of objects pass here at
 * start, so the path is only put together when something is wrong.
 */
export class Field {
  readonly value: unknown
  readonly #object: string
  readonly #step: Step
  readonly #parent: Field | undefined

  /**
   * @param object Kind and name, for messages.
   * @param step Where the value is; '' for the object itself.
   */
  constructor(object: string, step: Step, value: unknown, parent?: Field) {
    this.#object = object
    this.#step = step
    this.value = value
    this.#parent = parent
  }

  /** e.g. `spec.ports[0].port`. */
  get path(): string {
    const before = this.#parent?.path ?? ''
    if (typeof this.#step === 'number') return `${before}[${this.#step}]`
    return before === '' ? this.#step : `${before}.${this.#step}`
  }

  /** The field of that name; absent and `null` are the same, as in Kubernetes. */
  get(name: string): Field {
    const value = this.value
    if (value === undefined || value === null) return new Field(this.#object, name, undefined, this)
    if (typeof value !== 'object' || Array.isArray(value)) throw this.fail('is not an object')
    return new Field(this.#object, name, Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined, this)
  }

  get present(): boolean {
    return this.value !== undefined && this.value !== null
  }

  /** The items of a list; an absent list is empty. */
  list(): Field[] {
    const items = this.items()
    for (const item of items) item.required()
    return items
  }

  /** What `read` makes of each item of a list. Lists that are empty, as most are, are all the same one: there may be hundreds of thousands of objects. */
  map<T>(read: (item: Field) => T): readonly T[] {
    const items = this.list()
    return items.length === 0 ? noItems : items.map(read)
  }

  /** The items of a list, of which some may be null. */
  items(): Field[] {
    if (!this.present) return []
    if (!Array.isArray(this.value)) throw this.fail('is not a list')
    const value: readonly unknown[] = this.value
    const items: Field[] = []
    for (let index = 0; index < value.length; index += 1) items.push(new Field(this.#object, index, value[index], this))
    return items
  }

  /** The field itself, unless it is null: an item that is null would read as one that wants everything. */
  required(): this {
    if (!this.present) throw this.fail(typeof this.#step === 'number' ? 'is null' : 'is missing')
    return this
  }

  string(): string {
    if (typeof this.value !== 'string') throw this.fail(this.present ? 'is not a string' : 'is missing')
    return this.value
  }

  stringOr(fallback: string): string {
    return this.present ? this.string() : fallback
  }

  /** A string that is not empty: an empty name must never match what has none (CVE-2021-25736). */
  name(): string {
    const text = this.string()
    if (text === '') throw this.fail('is empty')
    return text
  }

  optionalString(): string | undefined {
    return this.present && this.value !== '' ? this.string() : undefined
  }

  nodeName(): NodeName {
    return this.#parse(parseNodeName)
  }

  optionalNodeName(): NodeName | undefined {
    return this.present && this.value !== '' ? this.nodeName() : undefined
  }

  domainPattern(): DomainPattern {
    return this.#parse(parseDomainPattern)
  }

  podUid(): PodUid {
    return this.#parse(parsePodUid)
  }

  booleanOr(fallback: boolean): boolean {
    if (!this.present) return fallback
    if (typeof this.value !== 'boolean') throw this.fail('is not a boolean')
    return this.value
  }

  /** An integer between the bounds, both included. */
  integer(minimum: number, maximum: number): number {
    const value = this.value
    if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum)
      throw this.fail(`is ${show(value)}, wanted an integer from ${minimum} to ${maximum}`)
    return value
  }

  port(): number {
    return this.integer(1, 65535)
  }

  /** One of the words listed. */
  oneOf<T extends string>(words: readonly T[]): T {
    if (!words.includes(this.value as T)) throw this.fail(`is ${show(this.value)}, wanted one of ${words.join(', ')}`)
    return this.value as T
  }

  /** A map of strings to strings, such as labels. Absent is empty. */
  stringMap(): Readonly<Record<string, string>> {
    // No prototype: labels such as `constructor` and `__proto__` are keys like any other.
    if (!this.present) return noStrings
    const value = this.value
    if (typeof value !== 'object' || Array.isArray(value)) throw this.fail('is not a map')
    const entries = Object.entries(value as object)
    if (entries.length === 0) return noStrings
    const map: Record<string, string> = Object.create(null) as Record<string, string>
    for (const [key, text] of entries) {
      if (typeof text !== 'string') throw this.fail(`has a value for ${show(key)} that is not a string`)
      map[key] = text
    }
    return map
  }

  /** An address as Kubernetes takes it: parts are decimal, whatever zeros lead them (CVE-2021-29923). */
  ip(): IpAddress {
    return this.#parse((text) => parseIp(decimal(text)))
  }

  /** A network as Kubernetes takes it: host bits count for nothing, so `10.0.0.7/24` is `10.0.0.0/24`; nor does whitespace around. */
  cidr(): Cidr {
    return this.#parse((text) => {
      const { address, prefix } = parseInterfaceAddress(decimal(text.trim()))
      return cidrFrom(address, prefix)
    })
  }

  /** A network whose host bits are zero. */
  exactCidr(): Cidr {
    return this.#parse(parseCidr)
  }

  /**
   * An address traffic may be sent to. The API server refuses the others in most places, not in all
   * (CVE-2021-25737), so the data plane refuses them itself.
   */
  endpointIp(): IpAddress {
    const address = this.ip()
    if (isLoopback(address) || isLinkLocal(address) || isMulticast(address) || isUnspecified(address))
      throw this.fail(`is ${show(this.value)}, which is no address of an endpoint (loopback, link-local, multicast or unspecified)`)
    return address
  }

  fail(problem: string, cause?: unknown): InvalidObjectError {
    return new InvalidObjectError(this.#object, this.path || 'object', problem, { cause })
  }

  #parse<T>(parse: (text: string) => T): T {
    try {
      return parse(this.string())
    } catch (error) {
      if (error instanceof InvalidObjectError) throw error
      throw this.fail(`is ${show(this.value)}: ${cut((error as Error).message)}`, error)
    }
  }
}

function decimal(text: string): string {
  return text.includes(':') ? text : text.replace(/(?<![/\d])0+(?=\d)/g, '')
}

/** Text of a value for a message, whatever it is; objects may be megabytes, and a log line may not. */
function show(value: unknown): string {
  try {
    return cut(JSON.stringify(value) ?? typeof value)
  } catch {
    return typeof value
  }
}

function cut(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text
}

const longestShown = 200
