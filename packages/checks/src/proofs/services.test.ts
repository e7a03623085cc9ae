import type { Service } from '@weft/api'
import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import type { Answer, Ask } from '../ask.ts'
import type { CheckContext } from '../check.ts'
import { serviceChecks } from './services.ts'

const check = serviceChecks.find(({ name }) => name === 'no-endpoints-refuses')!

/** @param answers What is heard, in turn, by protocol. */
function context(answers: { readonly http: readonly Partial<Answer>[], readonly udp: readonly Partial<Answer>[] }): CheckContext {
  const left = { http: [...answers.http], udp: [...answers.udp] }
  const ask = { try: async (_place: unknown, { kind }: Ask) => ({ ok: false, answers: [], error: 'REFUSED', ...left[kind as 'http' | 'udp'].shift() }) }
  const nobody = { name: 'nobody', clusterIps: [parseIp('10.96.0.9')] } as unknown as Service
  return { cluster: { families: [4] }, ask, scene: async () => ({ webs: [{ namespace: 'demo', name: 'web-1' }], services: { nobody } }) } as unknown as CheckContext
}

describe('no-endpoints-refuses', () => {
  test('holds when both protocols are refused at once, if need be at the third try', async () => {
    expect(await check.prove(context({ http: [{ ms: 20 }], udp: [{ ms: 700 }, { ms: 800 }, { ms: 3 }] }))).toBe('10.96.0.9: 80/TCP refused after 20.0 ms, 90/UDP after 3.0 ms')
  })

  test.each([
    ['a first packet that was lost', { http: [{ ms: 1030 }, { ms: 1040 }, { ms: 1020 }], udp: [{ ms: 1 }] }, 'http 10.96.0.9:80/ was refused after 1020 ms, wanted less than 500'],
    ['silence', { http: [{ ms: 20 }], udp: Array.from({ length: 3 }, () => ({ ms: 3000, error: 'TIMEOUT' as const })) }, 'udp 10.96.0.9:90 ended in TIMEOUT, wanted REFUSED'],
  ])('does not hold after %s', async (_what, answers, message) => {
    await expect(check.prove(context(answers))).rejects.toThrow(message)
  })
})
