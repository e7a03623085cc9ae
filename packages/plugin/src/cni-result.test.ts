import { describe, expect, it } from 'vitest'
import { type CniResult, decodeResult, encodeResult } from './cni-result.ts'
import { cniVersions } from './version.ts'

const result: CniResult = {
  interfaces: [{ name: 'weft0123456789a', mac: '02:00:00:00:00:01', mtu: 1450 }, { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1450, sandbox: '/run/netns/c1' }],
  ips: [{ address: '10.244.1.5/32', gateway: '169.254.1.1', interface: 1 }, { address: 'fd00::5/128', gateway: 'fe80::1', interface: 1 }],
  routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1450 }, { dst: '::/0', gw: 'fe80::1' }],
  dns: { nameservers: ['10.96.0.10'] },
}

const shape = (version: (typeof cniVersions)[number]): unknown => JSON.parse(JSON.stringify(encodeResult(result, version)))

describe('encodeResult()', () => {
  it('1.1.0 says everything (CNI-24)', () => {
    expect(shape('1.1.0')).toEqual({ cniVersion: '1.1.0', ...result })
  })

  it('1.0.0 leaves out what 1.1 added (CNI-25)', () => {
    expect(shape('1.0.0')).toEqual({
      cniVersion: '1.0.0',
      interfaces: [{ name: 'weft0123456789a', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/c1' }],
      ips: result.ips,
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0', gw: 'fe80::1' }],
      dns: result.dns,
    })
  })

  it.each(['0.3.0', '0.3.1', '0.4.0'] as const)('%s tells the family of every address (CNI-25)', (version) => {
    expect(shape(version)).toMatchObject({ cniVersion: version, ips: [{ version: '4', address: '10.244.1.5/32', interface: 1 }, { version: '6', address: 'fd00::5/128' }] })
  })

  it.each(['0.1.0', '0.2.0'] as const)('%s has one address per family and no interfaces (CNI-25)', (version) => {
    expect(shape(version)).toEqual({
      cniVersion: version,
      ip4: { ip: '10.244.1.5/32', gateway: '169.254.1.1', routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }] },
      ip6: { ip: 'fd00::5/128', gateway: 'fe80::1', routes: [{ dst: '::/0', gw: 'fe80::1' }] },
      dns: result.dns,
    })
  })

  it('emits interface index 0 (CNI-24)', () => {
    expect(JSON.stringify(encodeResult({ interfaces: [{ name: 'eth0' }], ips: [{ address: '10.0.0.2/24', interface: 0 }], routes: [] }, '1.0.0'))).toContain('"interface":0')
  })
})

describe('decodeResult()', () => {
  it.each(cniVersions)('reads what encodeResult() wrote as %s, so that prevResult comes out as it went in (CNI-22)', (version) => {
    expect(JSON.parse(JSON.stringify(encodeResult(decodeResult(shape(version)), version)))).toEqual(shape(version))
  })
})
