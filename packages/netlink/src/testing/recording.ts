import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { isTerminal, decodeMessages } from '../message.ts'
import type { NetlinkMessage, NetlinkRequest } from '../message.ts'
import { NLM_F_DUMP } from '../netlink-protocol.ts'
import type { NetlinkSocket } from '../socket.ts'
import { MessageWriter } from '../writer.ts'

/** What a kernel sent, and what a program said of the same state: golden files under `test/recorded`. */
export interface Recording {
  readonly kernel: string
  /** Version of `ip` and `bridge`; absent where neither was asked. */
  readonly iproute2?: string | undefined
  /** The script that made what is shown, beside the golden file. */
  readonly setup: string
  /** The program that showed it. */
  readonly program: string
  readonly says: readonly unknown[]
  /** Link names by index: programs print names where the kernel sends indexes. */
  readonly links: Readonly<Record<string, number>>
  /** What the kernel sent, as hexadecimal. */
  readonly datagrams: readonly string[]
}

const FOLDER = new URL('../../test/recorded/', import.meta.url)
const ANSWER_TIMEOUT_MS = 5000

/** Requests of programs, as `strace` saw them. */
interface RequestRecording {
  readonly requests: readonly { readonly command: string, readonly bytes: string }[]
}

/** A request of ours and what a program showed after it. */
interface EffectRecording {
  readonly bytes: string
  readonly says: readonly unknown[]
}

export function readRecording(name: string): Recording & RequestRecording & EffectRecording {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as Recording & RequestRecording & EffectRecording
}

/** One entry of a list to a line, so that a new recording is compared line by line. */
export function writeRecording(name: string, recording: object): void {
  mkdirSync(FOLDER, { recursive: true })
  const fields = Object.entries({ kernel: `Linux ${release().split('-')[0]!}`, ...recording }).map(([key, value]) =>
    `  ${JSON.stringify(key)}: ${Array.isArray(value) ? `[\n${value.map((one) => `    ${JSON.stringify(one)}`).join(',\n')}\n  ]` : JSON.stringify(value)}`)
  writeFileSync(new URL(`${name}.json`, FOLDER), `{\n${fields.join(',\n')}\n}\n`)
}

/** Every message but those that say that the answer ends. */
export function messagesOf({ datagrams }: Pick<Recording, 'datagrams'>): NetlinkMessage[] {
  return datagrams.flatMap((hex) => decodeMessages(fromHex(hex))).filter((message) => !isTerminal(message))
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The answer to a request, datagram by datagram, as it came: all of a table, or what one request gives. */
export function ask(socket: NetlinkSocket, request: NetlinkRequest, flags: number = NLM_F_DUMP): string[] {
  const bytes = new MessageWriter().startMessage(request.type, request.flags | flags, socket.reserveSequences(1)).putBytes(request.payload).endMessage().bytes()
  socket.sendRaw(bytes)
  const datagrams: string[] = []
  for (;;) {
    const datagram = socket.recvRaw(ANSWER_TIMEOUT_MS)
    if (datagram === undefined || datagram === 'overrun') throw new Error(`Cannot record ${request.operation}: the answer ${datagram === undefined ? 'does not come' : 'was too long'}`)
    datagrams.push(toHex(datagram))
    if (decodeMessages(datagram).some(isTerminal)) return datagrams
  }
}
