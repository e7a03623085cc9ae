import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import type { DnsService } from '../model.ts'
import { mostNames, PointerTable } from './pointer-table.ts'
import { addressKey } from './reverse-name.ts'
import type { Pointer } from './service-zone.ts'

const address = parseIp('10.244.0.5')

function pointer(name: string, rank: Pointer['rank'], label = 'pod-0'): Pointer {
  const service: DnsService = { namespace: 'shop', name, kind: 'cluster', addresses: [], externalName: '', ports: [], endpoints: [] }
  return { address, rank, service, label }
}

function names(table: PointerTable): readonly string[] {
  return table.get(addressKey(address)).map(({ service, rank }) => `${service.name}/${rank}`)
}

describe('PointerTable', () => {
  test('DNS-11 headless Services come first, then the others by name, each name once; whose own address it is stands alone', () => {
    const table = new PointerTable()
    const [web, api, peers, again, own] = [pointer('web', 2), pointer('api', 2), pointer('peers', 1), pointer('web', 2), pointer('db', 0, '')]
    table.add([web])
    expect(names(table)).toEqual(['web/2'])
    table.add([api, peers, again])
    expect(names(table)).toEqual(['peers/1', 'api/2', 'web/2'])
    table.add([own])
    expect(names(table)).toEqual(['db/0'])
    table.remove([own, peers, web])
    expect(names(table)).toEqual(['api/2', 'web/2'])
    table.remove([api])
    expect(names(table)).toEqual(['web/2'])
    // One that was never there takes nothing away.
    table.remove([web])
    expect([names(table), table.size]).toEqual([['web/2'], 1])
    table.remove([again])
    expect([names(table), table.size]).toEqual([[], 0])
  })

  test('an address of many Services has names for some, and a change looks at none of the others', () => {
    const table = new PointerTable()
    let read = 0
    const many = Array.from({ length: 500 }, (_, index) => {
      const each = pointer(`s${String(index).padStart(3, '0')}`, 2)
      return Object.defineProperty({ ...each }, 'label', { get: () => { read += 1; return 'pod-0' } })
    })
    table.add(many)
    table.remove(many.slice(0, 100))
    expect(read).toBe(0)
    expect([names(table).length, names(table)[0], read]).toEqual([mostNames, 's100/2', 400])
  })
})
