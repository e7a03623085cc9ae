import { ipFromBits } from '@weft/ip'
import fc from 'fast-check'
import type { EdnsOption } from '../src/wire/edns.ts'
import type { Message } from '../src/wire/message.ts'
import { type Name, nameFromLabels } from '../src/wire/name.ts'
import type { RecordData, ResourceRecord } from '../src/wire/record.ts'

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength, maxLength })
const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffff_ffff)

/** Labels that share tails often enough for compression to matter, with any bytes now and then. */
const label = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('a', 'B', 'svc', 'cluster', 'local', 'x'.repeat(63)).map((text) => Buffer.from(text)) }, { weight: 1, arbitrary: bytes(1, 63) })

export const name: fc.Arbitrary<Name> = fc.array(label, { maxLength: 6 })
  .filter((labels) => labels.reduce((sum, one) => sum + one.length + 1, 1) <= 255)
  .map(nameFromLabels)

const data: fc.Arbitrary<RecordData> = fc.oneof(
  u32.map((bits): RecordData => ({ type: 'A', address: ipFromBits(4, BigInt(bits)) })),
  fc.bigInt(0n, (1n << 128n) - 1n).map((bits): RecordData => ({ type: 'AAAA', address: ipFromBits(6, bits) })),
  fc.tuple(fc.constantFrom('CNAME', 'NS', 'PTR'), name).map(([type, target]): RecordData => ({ type, target })),
  fc.record({ type: fc.constant('SRV'), priority: u16, weight: u16, port: u16, target: name }),
  fc.record({ type: fc.constant('SOA'), mname: name, rname: name, serial: u32, refreshSeconds: u32, retrySeconds: u32, expireSeconds: u32, minimumSeconds: u32 }),
  fc.record({ type: fc.constant('TXT'), strings: fc.array(bytes(0, 255), { minLength: 1, maxLength: 3 }) }),
  fc.record({ type: fc.constant('other'), typeCode: fc.integer({ min: 256, max: 0xffff }), bytes: bytes(0, 40) }),
)

const record: fc.Arbitrary<ResourceRecord> = fc.record({ name, class: u16, ttlSeconds: u32, data })
const records = fc.array(record, { maxLength: 4 })
const option: fc.Arbitrary<EdnsOption> = fc.record({ code: u16, data: bytes(0, 20) })
const bit = fc.boolean()

export const message: fc.Arbitrary<Message> = fc.record({
  id: u16,
  response: bit,
  opcode: fc.nat(15),
  authoritative: bit,
  truncated: bit,
  recursionDesired: bit,
  recursionAvailable: bit,
  authenticData: bit,
  checkingDisabled: bit,
  rcode: fc.nat(15),
  questions: fc.array(fc.record({ name, type: u16, class: u16 }), { maxLength: 2 }),
  answers: records,
  authorities: records,
  additionals: records,
  edns: fc.option(fc.record({ udpBytes: u16, version: fc.nat(255), dnssecOk: bit, options: fc.array(option, { maxLength: 3 }) }), { nil: undefined }),
})
