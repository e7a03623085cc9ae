import { silentLogger } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { ProxyError } from './proxy-error.ts'
import { Refusals } from './refusals.ts'

describe('Refusals', () => {
  test('V14 ten ports of a Service are told of one by one; those that are free again make room for others', () => {
    const told: string[] = []
    const refusals = new Refusals(silentLogger, (_key, { message }) => void told.push(message))
    const lost = (number: number): Parameters<Refusals['tell']>[0] => ({ id: String(number), key: 'shop/web', error: new ProxyError('ERR_PROXY_PORT_TAKEN', `port ${number}`) })
    for (let number = 0; number < 12; number += 1) refusals.tell(lost(number))
    refusals.tell(lost(3))
    expect([told.length, refusals.size]).toEqual([10, 12])
    refusals.settle(Array.from({ length: 12 }, (_, number) => String(number)))
    expect(refusals.size).toBe(0)
    refusals.tell(lost(3))
    expect(told.at(-1)).toBe('port 3')
    expect(told).toHaveLength(11)
  })
})
