import { tables, toEndpointSlice } from '@weft/api'
import { formatIp, ipFromBits, parseIp } from '@weft/ip'
import { Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { affinityOf, portMask } from './affinity.ts'
import { codeOf, pickOf } from './pick.ts'
import { sets } from './sets.ts'

const backend = (ip: string): { readonly ip: ReturnType<typeof parseIp>, readonly port: number, readonly local: boolean } => ({ ip: parseIp(ip), port: 8080, local: false })

describe('affinityOf()', () => {
  const ip = fc.integer({ min: 1, max: 250 }).map((last) => `10.244.1.${last}`)

  test('P11 numbers are told apart, are the port\'s, and do not depend on the order', () => {
    fc.assert(fc.property(fc.uniqueArray(ip, { minLength: 1, maxLength: 250 }), (ips) => {
      const { port, ids } = affinityOf('shop/cart tcp', 600, ips.map(backend))
      expect(new Set(ids.values()).size).toBe(ips.length)
      for (const id of ids.values()) expect(id & portMask).toBe(port)
      expect(affinityOf('shop/cart tcp', 600, ips.toReversed().map(backend)).ids).toEqual(ids)
    }))
  })

  test('a backend keeps its number when others come and go', () => {
    const ips = Array.from({ length: 50 }, (_, index) => `10.244.1.${index + 1}`)
    const all = affinityOf('shop/cart tcp', 600, ips.map(backend)).ids
    const half = affinityOf('shop/cart tcp', 600, ips.filter((_, index) => index % 2 === 0).map(backend)).ids
    // Two of 50 may have met in 4096 places.
    expect([...half].filter(([key, id]) => all.get(key) === id).length).toBeGreaterThanOrEqual(half.size - 1)
  })

  test('with more backends than numbers some share one', () => {
    const many = Array.from({ length: 5000 }, (_, index) => backend(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`))
    const { ids } = affinityOf('shop/cart tcp', 600, many)
    expect([ids.size, new Set(ids.values()).size]).toEqual([5000, 4096])
  })
})

test('codeOf() and pickOf() are each other\'s inverse', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 8191 }), fc.boolean(), fc.option(fc.integer({ min: 1, max: 86_400 }), { nil: undefined }), (count, local, seconds) => {
    expect(pickOf(codeOf({ count, local, seconds }))).toEqual({ count, local, seconds })
  }))
  expect([pickOf(0), pickOf(0x1_0000)]).toEqual([undefined, undefined])
})

describe('session affinity, traced', () => {
  const endpoints = ['10.244.1.5', '10.244.1.6', '10.244.1.7']

  test('SVC-76, SVC-77, SVC-78 is remembered per client and Service port for its time, from the last connection on, for live endpoints', async () => {
    const nft = new FakeNft()
    const sticky = service('shop/cart', ['10.96.0.1'], { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } } })
    await using run = await running([node('here'), sticky, slice('shop/cart', endpoints)], { nft })
    let choice = 0
    const ask = (saddr: string, seconds: number, to: readonly [string, number] = ['10.96.0.1', 80]): string => {
      const trace = nft.trace({ saddr, daddr: to[0], dport: to[1], iif: 'weft1' }, { local: ['172.30.1.11'], nowMs: seconds * 1000, random: (modulus) => choice % modulus })
      expect(trace.verdict).toBe('accept')
      return formatIp(trace.dnat!.address as Parameters<typeof formatIp>[0])
    }
    const one = '10.244.0.8'
    expect(ask(one, 0)).toBe(endpoints[0])
    choice = 1
    // The NodePort is the same Service port; another client is another client.
    expect([ask(one, 60, ['172.30.1.11', 30_080]), ask('10.244.0.9', 60), ask(one, 159)]).toEqual([endpoints[0], endpoints[1], endpoints[0]])
    expect(ask(one, 260)).toBe(endpoints[1])
    choice = 0
    expect(ask(one, 300)).toBe(endpoints[1])
    run.stores.slices.put(toEndpointSlice(slice('shop/cart', [endpoints[0]!, endpoints[2]!])))
    await run.proxy.settled()
    expect(ask(one, 301)).toBe(endpoints[0])
    choice = 1
    expect(ask(one, 302)).toBe(endpoints[0])
    run.stores.slices.put(toEndpointSlice(slice('shop/cart', endpoints)))
    await run.proxy.settled()
    expect(ask(one, 303)).toBe(endpoints[0])
  })

  test('when no more clients can be remembered, new ones are served all the same', async () => {
    const nft = new FakeNft()
    await using _run = await running([node('here'), service('shop/cart', ['10.96.0.1'], { sessionAffinity: 'ClientIP' }), slice('shop/cart', endpoints)], { nft, config: { affinityClients: 1024 } })
    const { affinity } = sets[4]
    const others = Array.from({ length: 1024 }, (_, index) => ({ key: [0, ipFromBits(4, 0x0b00_0000n + BigInt(index))], data: [0] }))
    nft.commit(new Transaction({ family: 'inet', name: tables.proxy }).addElements(affinity, others))
    const trace = nft.trace({ saddr: '10.244.0.8', daddr: '10.96.0.1', dport: 80, iif: 'weft1' })
    expect(trace).toMatchObject({ verdict: 'accept', dnat: { address: parseIp('10.244.1.5'), port: 8080 } })
  })

  test('V1 a Service without affinity has no element of it', async () => {
    await using run = await running([node('here'), service('shop/web', ['10.96.0.1']), slice('shop/web', endpoints)])
    const maps = run.proxy.dump().split('\n\n').filter((block) => /map (affinity|choice|slot|localslot)/.test(block))
    expect(maps).toHaveLength(10)
    for (const map of maps) expect(map).not.toContain('elements')
  })
})
