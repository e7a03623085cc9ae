import fc from 'fast-check'
import { ipFromBits } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { edns, question } from '../../test/running.ts'
import { showRecord } from '../../test/show.ts'
import { emptyMessage, readMessage, writeMessage } from '../wire/message.ts'
import { parseName } from '../wire/name.ts'
import { createQueryView, readQuery } from '../wire/query-view.ts'
import { encodeAnswer, inRecord } from '../zone/answer.ts'
import { readUpstreamAnswer } from '../forward/upstream-answer.ts'
import { writeReply } from './reply.ts'

const owner = parseName('many.testns.svc.cluster.local')
const options = { ownUdpBytes: 1232, recursion: true, ageSeconds: 0, staleTtlSeconds: 0 }

function addresses(count: number, name = owner): ReturnType<typeof inRecord>[] {
  return Array.from({ length: count }, (_, index) => inRecord(name, 60, { type: 'A', address: ipFromBits(4, BigInt(0x0a000000 + index)) }))
}

describe('writeReply()', () => {
  const query = createQueryView()
  const out = Buffer.alloc(65_535)

  test('turns and cuts addresses at any size: each record whole, none twice, all when they fit', () => {
    fc.assert(fc.property(fc.nat(100), fc.nat(1000), fc.integer({ min: 512, max: 1300 }), fc.boolean(), (count, turn, limit, withEdns) => {
      const answer = encodeAnswer(owner, { answers: addresses(count) })
      readQuery(writeMessage(question('many.testns.svc.cluster.local', 'A', withEdns ? { edns: edns(1300) } : {})), query)
      const length = writeReply(query, answer, out, { ...options, limit, turn })
      const message = readMessage(out.subarray(0, length))
      const shown = message.answers.map(showRecord)
      expect(length).toBeLessThanOrEqual(limit)
      expect(new Set(shown).size).toBe(shown.length)
      expect(message.truncated).toBe(shown.length < count)
      if (count > 1) expect(shown[0]).toBe(showRecord(addresses(count)[turn % count]!))
      expect(message.edns !== undefined).toBe(withEdns)
    }))
  })

  test('upstream answers turn too, behind their aliases; TTLs count down, or are 30 when stale', () => {
    const target = parseName('target.example')
    const response = writeMessage({
      ...emptyMessage,
      response: true,
      questions: [{ name: owner, type: 1, class: 1 }],
      answers: [inRecord(owner, 300, { type: 'CNAME', target }), ...addresses(3, target)],
      edns: edns(1232),
    })
    const { answer, ttlSeconds } = readUpstreamAnswer(response, 12 + owner.length + 4, { maxTtlSeconds: 200, maxNegativeTtlSeconds: 30 })
    expect(ttlSeconds).toBe(60)
    readQuery(writeMessage(question('MANY.testns.svc.cluster.local', 'A')), query)
    for (let turn = 0; turn < 3; turn++) {
      const aged = readMessage(out.subarray(0, writeReply(query, answer, out, { ...options, limit: 512, turn, ageSeconds: 50 })))
      expect(aged.answers.map(({ data }) => data.type)).toEqual(['CNAME', 'A', 'A', 'A'])
      expect(aged.answers.map((record) => record.ttlSeconds)).toEqual([150, 10, 10, 10])
      expect(showRecord(aged.answers[1]!)).toBe(showRecord(addresses(3, target)[turn]!))
      expect(aged.edns).toBeUndefined()
    }
    const stale = readMessage(out.subarray(0, writeReply(query, answer, out, { ...options, limit: 512, turn: 0, staleTtlSeconds: 30 })))
    expect(stale.answers.map((record) => record.ttlSeconds)).toEqual([30, 30, 30, 30])
  })
})
