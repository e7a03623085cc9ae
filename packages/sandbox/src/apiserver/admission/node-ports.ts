import { asNumber, objectsIn, type JsonObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { invalidValue } from '../validation/field.ts'

/** The node ports of the cluster. */
export class NodePortRange {
  readonly #low: number
  readonly #high: number
  readonly #used = new Set<number>()
  #next: number

  constructor(low: number, high: number) {
    this.#low = low
    this.#high = high
    // The lower part is for ports that users choose, as for addresses.
    this.#next = low + Math.min(128, Math.max(16, Math.floor((high - low) / 32)))
  }

  take(port: number): void {
    this.#used.add(port)
  }

  release(port: number): void {
    this.#used.delete(port)
  }

  /**
   * Checks the node ports a Service names and gives it those it lacks.
   *
   * @param spec Changed in place.
   * @param own Ports that it has already.
   */
  assign(spec: JsonObject, own: readonly number[]): Cause[] {
    const isBalancer = spec['type'] === 'LoadBalancer'
    const needs = spec['type'] === 'NodePort' || (isBalancer && spec['allocateLoadBalancerNodePorts'] !== false)
    const ports = objectsIn(spec['ports'])
    if (!needs && !isBalancer) {
      // A Service that stops being a NodePort gives back what was allocated; another value is the user's mistake.
      for (const port of ports) if (own.includes(asNumber(port['nodePort']) ?? 0)) delete port['nodePort']
      delete spec['healthCheckNodePort']
      return []
    }
    const causes: Cause[] = []
    const mine = new Set(own)
    for (const [index, port] of ports.entries()) {
      const wanted = asNumber(port['nodePort'])
      if (wanted === undefined) continue
      const fault = mine.has(wanted) ? undefined : this.#fault(wanted)
      if (fault !== undefined) causes.push(invalidValue(`spec.ports[${index}].nodePort`, wanted, fault))
      mine.add(wanted)
    }
    if (needs) for (const port of ports) port['nodePort'] ??= this.#sharedOrFree(port, ports, mine)
    const wantsHealthPort = isBalancer && spec['externalTrafficPolicy'] === 'Local'
    if (!wantsHealthPort) delete spec['healthCheckNodePort']
    else spec['healthCheckNodePort'] ??= this.#findFree(mine)
    return causes
  }

  /** The same port number over another protocol gets the same node port, e.g. DNS over UDP and TCP. */
  #sharedOrFree(port: JsonObject, ports: readonly JsonObject[], mine: Set<number>): number {
    const twin = ports.find(other => other['port'] === port['port'] && other['protocol'] !== port['protocol'] && other['nodePort'] !== undefined)
    return asNumber(twin?.['nodePort']) ?? this.#findFree(mine)
  }

  #fault(port: number): string | undefined {
    if (port < this.#low || port > this.#high) return `provided port is not in the valid range. The range of valid ports is ${this.#low}-${this.#high}`
    return this.#used.has(port) ? 'provided port is already allocated' : undefined
  }

  #findFree(mine: Set<number>): number {
    for (let tried = this.#low; tried <= this.#high; tried++) {
      const port = this.#next
      this.#next = port < this.#high ? port + 1 : this.#low
      if (this.#used.has(port) || mine.has(port)) continue
      mine.add(port)
      return port
    }
    throw new RangeError(`Cannot allocate a node port: all of ${this.#low}-${this.#high} are in use`)
  }
}
