import { loadConfig } from '@weft/daemon'
import { describe, expect, test } from 'vitest'
import { dnsConfigSchema } from './config.ts'

const load = (config: object): ReturnType<typeof dnsConfigSchema.parse> => loadConfig(dnsConfigSchema, config, { source: 'test' })

describe('dnsConfigSchema', () => {
  test('has a default for everything', () => {
    expect(load({})).toMatchObject({
      zone: 'cluster.local',
      ttlSeconds: 5,
      pods: 'insecure',
      listen: [{ address: '0.0.0.0', port: 10_053 }, { address: '::', port: 10_053 }],
      maxUdpBytes: 1232,
      lameduck: 5000,
      forward: { upstreams: [], resolvConf: '/etc/resolv.conf', hedgeAfter: 500 },
      cache: { maxEntries: 10_000, serveStale: 3_600_000 },
    })
  })

  test('reads addresses with and without ports', () => {
    expect(load({ listen: ['10.0.0.1', '[fd00::1]:53', 'fd00::2', '10.0.0.2:5353'] }).listen).toEqual([
      { address: '10.0.0.1', port: 10_053 }, { address: 'fd00::1', port: 53 }, { address: 'fd00::2', port: 10_053 }, { address: '10.0.0.2', port: 5353 },
    ])
    expect(load({ forward: { upstreams: ['9.9.9.9'] } }).forward.upstreams).toEqual([{ address: '9.9.9.9', port: 53 }])
  })

  test.each([
    ['DNS-56', { ttlSeconds: -1 }],
    ['DNS-56', { ttlSeconds: 3601 }],
    ['an unknown key', { tlt: 5 }],
    ['an unknown key below', { cache: { size: 5 } }],
    ['a zone that is none', { zone: 'a..b' }],
    ['a zone that leaves no room', { zone: `${'x'.repeat(58)}.local` }],
    ['a range that is none', { clients: ['10.0.0.1'] }],
    ['a port that is none', { listen: ['10.0.0.1:70000'] }],
    ['a name for an address', { forward: { upstreams: ['dns.example'] } }],
    ['a number for a duration', { lameduck: 5 }],
    ['too small a payload', { maxUdpBytes: 100 }],
  ])('refuses %s', (_, config) => {
    expect(() => load(config)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }))
  })

  test('DNS-56: 0 and 3600 are allowed', () => {
    expect(load({ ttlSeconds: 0 }).ttlSeconds).toBe(0)
    expect(load({ ttlSeconds: 3600 }).ttlSeconds).toBe(3600)
  })
})
