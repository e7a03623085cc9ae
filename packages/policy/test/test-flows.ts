import { ctMarks } from '@weft/api'
import { parseIp } from '@weft/ip'
import type { Flow, FlowMarks } from '../src/judged-flows.ts'

/** Bits of somebody else. */
const foreign = 0x40

type State = 'allowed' | 'pending' | 'denied' | 'unjudged'
const bitsOf: Readonly<Record<State, number>> = { allowed: ctMarks.allowed, pending: ctMarks.pending, denied: ctMarks.denied, unjudged: 0 }

/** Connection tracking of a node, in memory. */
export class TestFlows implements FlowMarks {
  readonly #flows = new Map<string, { readonly flow: Flow, mark: number }>()
  looks = 0

  add(name: string, state: State, flow: Flow): void {
    this.#flows.set(name, { flow, mark: foreign | bitsOf[state] })
  }

  write(name: string, state: State): void {
    this.#flows.get(name)!.mark = foreign | bitsOf[state]
  }

  get states(): Readonly<Record<string, State>> {
    return Object.fromEntries([...this.#flows].map(([name, { mark }]) => {
      if ((mark & ~ctMarks.mask) !== foreign) throw new Error(`Somebody else's bits of ${name} are gone`)
      return [name, (Object.keys(bitsOf) as State[]).find((state) => bitsOf[state] === (mark & ctMarks.mask))!]
    }))
  }

  remarkMatching({ mark, markMask }: { readonly mark: number, readonly markMask: number }, condition: (flow: Flow) => boolean, change: { readonly mark: number, readonly mask: number }): number {
    this.looks += 1
    const found = [...this.#flows.values()].filter((each) => (each.mark & markMask) === mark && condition(each.flow))
    for (const each of found) each.mark = (each.mark & ~change.mask) | change.mark
    return found.length
  }
}

/** A connection, to a Service where the server is not the destination. */
export function flow(client: string, destination: string, server: string = destination): Flow {
  return { protocol: 6, original: { source: parseIp(client), destination: parseIp(destination) }, reply: { source: parseIp(server), destination: parseIp(client), sourcePort: 80 } }
}
