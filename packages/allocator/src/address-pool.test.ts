import { formatIp, type IpAddress, parseCidr, parseIp } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { AddressPool } from './address-pool.ts'
import { IpamError } from './ipam-error.ts'

function poolOf(...cidrs: readonly string[]): AddressPool {
  const parsed = cidrs.map((text) => ({ subnet: parseCidr(text) }))
  const pool = new AddressPool(parsed[0]?.subnet.family ?? 4)
  pool.setRanges(parsed, [])
  return pool
}

function drain(pool: AddressPool): string[] {
  const given: string[] = []
  for (;;) {
    try {
      given.push(formatIp(pool.next('c/eth0')))
    } catch {
      return given
    }
  }
}

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof IpamError ? error.code : String(error)
  }
  return 'none'
}

describe('AddressPool', () => {
  it('next() begins after the first address and never gives network, first or broadcast (IPAM-1, IPAM-2)', () => {
    expect(drain(poolOf('10.1.2.0/29'))).toEqual(['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6'])
    expect(formatIp(poolOf('2001:db8:1::/64').next('c/eth0'))).toBe('2001:db8:1::2')
  })

  it('next() gives a freed address only when all others had their turn (IPAM-3)', () => {
    const pool = poolOf('10.1.2.0/29')
    const first = pool.next('a/eth0')
    pool.release(first)
    expect(drain(pool).at(-1)).toBe(formatIp(first))
  })

  it('next() goes round over several ranges (IPAM-3)', () => {
    const pool = poolOf('10.1.2.0/30', '10.9.0.0/30', '10.5.0.0/30')
    const given: IpAddress[] = [pool.next('a'), pool.next('b')]
    pool.release(given[0]!)
    expect([pool.next('c'), pool.next('d')].map(formatIp)).toEqual(['10.5.0.2', '10.1.2.2'])
  })

  it('next() goes on after the last address of an earlier life', () => {
    const pool = poolOf('10.1.2.0/28')
    pool.resumeAfter(parseIp('10.1.2.7'))
    expect(formatIp(pool.next('a'))).toBe('10.1.2.8')
  })

  it('next() names the ranges when they are full (IPAM-7)', () => {
    const pool = poolOf('10.1.2.0/30')
    pool.next('a/eth0')
    expect(() => pool.next('b/eth0')).toThrow('no IP addresses available in range set: 10.1.2.0-10.1.2.3')
    expect(codeOf(() => poolOf().next('x'))).toBe('ERR_IPAM_NOT_READY')
  })

  it('take() honours an address asked for and refuses what is taken, reserved or outside (IPAM-8)', () => {
    const pool = poolOf('10.1.2.0/29')
    pool.take(parseIp('10.1.2.4'), 'a')
    for (const text of ['10.1.2.4', '10.1.2.0', '10.1.2.1', '10.1.2.7', '10.1.3.2']) expect(codeOf(() => pool.take(parseIp(text), 'b'))).toBe('ERR_IPAM_ADDRESS_UNAVAILABLE')
    expect(drain(pool)).not.toContain('10.1.2.4')
  })

  it('setRanges() refuses ranges too small to allocate from (IPAM-9)', () => {
    for (const text of ['10.0.0.0/31', '10.0.0.0/32', 'fd00::/127', 'fd00::/128']) expect(codeOf(() => poolOf(text))).toBe('ERR_IPAM_RANGE_TOO_SMALL')
  })

  it('setRanges() keeps what is taken in ranges that stay and marks what is taken in new ones', () => {
    const pool = poolOf('10.1.2.0/29')
    const kept = pool.next('a')
    pool.setRanges(['10.1.2.0/29', '10.1.3.0/29'].map((text) => ({ subnet: parseCidr(text) })), [kept, parseIp('10.1.3.2')])
    expect(drain(pool)).toEqual(['10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6', '10.1.3.3', '10.1.3.4', '10.1.3.5', '10.1.3.6'])
  })
})
