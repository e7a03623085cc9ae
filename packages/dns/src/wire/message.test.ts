import dnsPacket from 'dns-packet'
import { Packet } from 'dns2'
import fc from 'fast-check'
import { formatIp, parseIpv4, parseIpv6 } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { message as anyMessage } from '../../test/arbitraries.ts'
import { rrTypes } from './codes.ts'
import { DnsFormatError } from './dns-format-error.ts'
import { emptyMessage, type Message, readMessage, writeMessage } from './message.ts'
import { viewMessage } from './message-view.ts'
import { formatName, parseName } from './name.ts'
import { createQueryView, noAnswer, readQuery } from './query-view.ts'

const owner = parseName('svc1.testns.svc.cluster.local')

/** One message with every type, all names sharing tails. */
const rich: Message = {
  ...emptyMessage,
  id: 0xbeef,
  response: true,
  authoritative: true,
  recursionDesired: true,
  questions: [{ name: owner, type: rrTypes.A, class: 1 }],
  answers: [
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'A', address: parseIpv4('10.96.0.1') } },
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'AAAA', address: parseIpv6('fd00::1') } },
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'CNAME', target: parseName('other.testns.svc.cluster.local') } },
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'SRV', priority: 0, weight: 100, port: 80, target: owner } },
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'TXT', strings: [Buffer.from('1.1.0'), Buffer.from('')] } },
    { name: owner, class: 1, ttlSeconds: 5, data: { type: 'PTR', target: owner } },
  ],
  authorities: [{ name: parseName('cluster.local'), class: 1, ttlSeconds: 5, data: { type: 'SOA', mname: parseName('ns.dns.cluster.local'), rname: parseName('hostmaster.cluster.local'), serial: 1, refreshSeconds: 2, retrySeconds: 3, expireSeconds: 4, minimumSeconds: 5 } }],
  additionals: [{ name: parseName('cluster.local'), class: 1, ttlSeconds: 5, data: { type: 'NS', target: parseName('ns.dns.cluster.local') } }],
}

function plain(message: Message): unknown {
  return JSON.parse(JSON.stringify(message, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value instanceof Uint8Array ? [...value] : value)))
}

describe('writeMessage()', () => {
  test('writes what readMessage() reads', () => {
    fc.assert(fc.property(anyMessage, (message) => {
      const read = readMessage(writeMessage(message))
      // JSON has no undefined: a message without EDNS reads as one without EDNS.
      expect(plain(read)).toEqual(plain(message))
    }), { numRuns: 300 })
  })

  test('carries twelve bits of response code with EDNS', () => {
    const edns = { udpBytes: 1232, version: 0, dnssecOk: true, options: [{ code: 10, data: Buffer.from('cookie') }] }
    expect(readMessage(writeMessage({ ...rich, rcode: 16, edns }))).toMatchObject({ rcode: 16, edns: { udpBytes: 1232, dnssecOk: true } })
  })

  test('compresses: ten SRV targets fit an EDNS payload', () => {
    const answers = Array.from({ length: 10 }, (_, index) => ({ name: owner, class: 1, ttlSeconds: 5, data: { type: 'SRV' as const, priority: 0, weight: 10, port: 80, target: parseName(`10-244-0-${index}.svc1.testns.svc.cluster.local`) } }))
    expect(writeMessage({ ...rich, answers, authorities: [], additionals: [] }).length).toBeLessThan(1232)
  })

  test('is read the same by dns-packet and dns2', () => {
    const bytes = writeMessage(rich)
    const theirs = dnsPacket.decode(bytes)
    expect(theirs.questions?.[0]).toMatchObject({ name: 'svc1.testns.svc.cluster.local', type: 'A' })
    expect(theirs.answers?.map((answer) => answer.type)).toEqual(['A', 'AAAA', 'CNAME', 'SRV', 'TXT', 'PTR'])
    expect(theirs.answers?.[0]).toMatchObject({ name: 'svc1.testns.svc.cluster.local', data: '10.96.0.1', ttl: 5 })
    expect(theirs.answers?.[3]).toMatchObject({ data: { port: 80, weight: 100, target: 'svc1.testns.svc.cluster.local' } })
    expect(theirs.authorities?.[0]).toMatchObject({ type: 'SOA', data: { mname: 'ns.dns.cluster.local', rname: 'hostmaster.cluster.local', minimum: 5 } })
    const dns2 = Packet.parse(bytes)
    expect(dns2.answers).toHaveLength(6)
    expect(dns2.answers[0]).toMatchObject({ name: 'svc1.testns.svc.cluster.local', address: '10.96.0.1' })
  })
})

describe('readMessage()', () => {
  test('reads what dns-packet writes', () => {
    const bytes = dnsPacket.encode({
      type: 'response',
      id: 7,
      questions: [{ type: 'SRV', name: '_http._tcp.a.example' }],
      answers: [
        { type: 'SRV', name: '_http._tcp.a.example', ttl: 9, data: { port: 8080, priority: 1, weight: 2, target: 'b.example' } },
        { type: 'AAAA', name: 'b.example', ttl: 9, data: 'fd00::7' },
      ],
    })
    const { answers, id, questions } = readMessage(bytes)
    expect(id).toBe(7)
    expect(formatName(questions[0]!.name)).toBe('_http._tcp.a.example.')
    expect(answers[0]!.data).toMatchObject({ type: 'SRV', port: 8080, priority: 1, weight: 2 })
    const last = answers[1]!.data
    expect(last.type === 'AAAA' && formatIp(last.address)).toBe('fd00::7')
  })

  test('reads what dns2 writes', () => {
    const packet = new Packet()
    packet.header.id = 9
    packet.questions.push(new Packet.Question('a.example', Packet.TYPE.A, Packet.CLASS.IN))
    packet.answers.push(Object.assign(new Packet.Resource('a.example', Packet.TYPE.A, Packet.CLASS.IN, 3), { address: '192.0.2.1' }))
    const { answers } = readMessage(packet.toBuffer())
    expect(answers[0]).toMatchObject({ ttlSeconds: 3, data: { type: 'A' } })
  })

  test('refuses two OPT records', () => {
    const edns = { udpBytes: 512, version: 0, dnssecOk: false, options: [] }
    const bytes = writeMessage({ ...emptyMessage, edns })
    const doubled = Buffer.concat([bytes, bytes.subarray(12)])
    doubled.writeUInt16BE(2, 10)
    expect(() => readMessage(doubled)).toThrow(/two OPT/)
  })

  test('fault 33: throws nothing but DnsFormatError at all one-byte mutations', () => {
    const samples = [writeMessage(rich), writeMessage({ ...rich, response: false, answers: [], authorities: [], additionals: [], edns: { udpBytes: 1232, version: 0, dnssecOk: false, options: [{ code: 10, data: Buffer.alloc(8) }] } })]
    const query = createQueryView()
    let read = 0
    // Half of the mutants throw: traces would take most of the time.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    for (const sample of samples) {
      for (let at = 0; at < sample.length; at++) {
        for (let bits = 1; bits < 256; bits++) {
          const right = sample[at]!
          sample[at] = right ^ bits
          readQuery(sample, query)
          try {
            readMessage(sample)
            read++
          } catch (error) {
            if (!(error instanceof DnsFormatError)) throw error
          }
          sample[at] = right
        }
      }
    }
    Error.stackTraceLimit = stackTraceLimit
    expect(read).toBeGreaterThan(1000)
  })

  test('fault 33: throws nothing but DnsFormatError at anything', () => {
    const query = createQueryView()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, plausible) => {
      // Mostly small counts, or every case ends at the first missing question.
      if (plausible) bytes.fill(0, 4, 12)
      if (plausible && bytes.length > 11) bytes[5] = bytes[7] = bytes[11] = 1
      readQuery(bytes, query)
      try {
        viewMessage(bytes)
        readMessage(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(DnsFormatError)
      }
    }), { numRuns: 3000 })
  })
})

describe('readQuery()', () => {
  const view = createQueryView()
  const query = (message: Partial<Message>): Buffer => writeMessage({ ...emptyMessage, id: 5, questions: [{ name: owner, type: rrTypes.A, class: 1 }], ...message })

  test('agrees with readMessage() on queries', () => {
    fc.assert(fc.property(anyMessage, (message) => {
      const bytes = writeMessage({ ...message, response: false, opcode: 0, answers: [], authorities: [], questions: message.questions.slice(0, 1), edns: message.edns === undefined ? undefined : { ...message.edns, version: 0 } })
      if (readQuery(bytes, view) !== 0) return message.questions.length === 0
      const read = readMessage(bytes)
      const { name } = view
      expect(name.bytes.subarray(0, name.length).toString('latin1')).toBe(Buffer.from(read.questions[0]!.name).toString('latin1').replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()))
      expect(view.type).toBe(read.questions[0]!.type)
      expect(view.edns).toBe(read.edns !== undefined)
      if (read.edns !== undefined) expect(view.udpBytes).toBe(read.edns.udpBytes)
      return true
    }))
  })

  test('says nothing to responses and to less than a header', () => {
    expect(readQuery(query({ response: true }), view)).toBe(noAnswer)
    expect(readQuery(Buffer.alloc(11), view)).toBe(noAnswer)
    expect(readQuery(Buffer.alloc(0), view)).toBe(noAnswer)
  })

  test('DNS-72, DNS-73: names what is wrong with a query', () => {
    expect(readQuery(query({ questions: [] }), view)).toBe(2)
    const two = query({ questions: [{ name: owner, type: 1, class: 1 }, { name: owner, type: 28, class: 1 }] })
    expect(readQuery(two, view)).toBe(1)
    two.writeUInt16BE(65_535, 4)
    expect(readQuery(two, view)).toBe(1)
    expect(readQuery(query({ opcode: 5 }), view)).toBe(4)
    expect(readQuery(query({ edns: { udpBytes: 1232, version: 1, dnssecOk: false, options: [] } }), view)).toBe(16)
    const counted = query({})
    counted.writeUInt16BE(65_535, 10)
    expect(readQuery(counted, view)).toBe(1)
  })
})
