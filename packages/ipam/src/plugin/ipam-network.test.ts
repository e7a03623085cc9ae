import { CniError, parsePluginConfig } from '@weft/plugin'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readIpamNetwork } from './ipam-network.ts'
import { parseResolvConf } from './resolv-conf.ts'

/** Number of the error, 0 if there is none. */
function refusal(more: object): number {
  try {
    readIpamNetwork(parsePluginConfig(Buffer.from(JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'bridge', ...more }))))
    return 0
  } catch (error) {
    return error instanceof CniError ? error.cniCode : -1
  }
}

describe('readIpamNetwork()', () => {
  it('IPAM-9 refuses ranges and routes that cannot be, with code 7', () => {
    for (const ipam of [undefined, { ranges: [[]] }, { subnet: '10.1.2.1/24' }, { subnet: '10.1.2.0/24', rangeStart: '10.9.0.1' }, { ranges: [[{ subnet: '10.1.2.0/24' }, { subnet: 'fd00::/64' }]] }, { subnet: '10.1.2.0/24', routes: [{ dst: 'x' }] }, { subnet: '10.1.2.0/24', ranges: [[{ subnet: '10.1.2.0/25' }]] }])
      expect([ipam, refusal({ ipam })]).toEqual([ipam, 7])
    expect(refusal({ ipam: { type: 'weft-ipam', subnet: '10.1.2.0/24', routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.9', mtu: 1400 }] } })).toBe(0)
  })

  it('throws nothing but CniError, whatever is written', () => {
    const value = fc.oneof(fc.string(), fc.jsonValue(), fc.constantFrom('10.1.2.0/24', 'fd00::/64', '10.1.2.3'))
    const range = fc.record({ subnet: value, rangeStart: value, rangeEnd: value, gateway: value }, { requiredKeys: [] })
    const config = fc.record({
      ipam: fc.oneof(value, fc.record({ ranges: fc.oneof(value, fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 3 })), subnet: value, routes: fc.oneof(value, fc.array(fc.record({ dst: value, gw: value }))), resolvConf: value }, { requiredKeys: [] })),
      runtimeConfig: value, args: value,
    }, { requiredKeys: [] })
    fc.assert(fc.property(config, (more) => {
      expect(refusal(more)).toBeGreaterThanOrEqual(0)
    }), { numRuns: 2000 })
  })
})

describe('parseResolvConf()', () => {
  it('reads what resolv.conf(5) says and minds nothing else', () => {
    expect(parseResolvConf('# a comment\nnameserver 10.0.0.10 \n\tnameserver fd00::a\ndomain a.example\nsearch b.example c.example\noptions ndots:5 edns0\nsortlist x\n'))
      .toEqual({ nameservers: ['10.0.0.10', 'fd00::a'], domain: 'a.example', search: ['b.example', 'c.example'], options: ['ndots:5', 'edns0'] })
    expect(parseResolvConf('')).toEqual({ nameservers: [], search: [], options: [] })
  })
})
