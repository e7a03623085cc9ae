import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { question, type Running, startDns } from '../../test/running.ts'
import { show } from '../../test/show.ts'
import type { RrTypeName } from '../wire/codes.ts'

let server: Running
beforeAll(async () => {
  server = await startDns({ config: { reverseRanges: ['10.96.0.0/16', 'fd00:10:96::/112'] } })
})
afterAll(async () => await server[Symbol.asyncDispose]())

const zone = 'cluster.local'
const soa = [`${zone}. SOA`]

async function ask(name: string, type: RrTypeName | number): Promise<ReturnType<typeof show>> {
  return show(await server.udp(question(name, type)))
}

describe('lookup() answers', () => {
  test.each<readonly [string, string, RrTypeName, readonly string[]]>([
    ['DNS-2', `dns-version.${zone}`, 'TXT', [`dns-version.${zone}. TXT 1.1.0`]],
    ['DNS-3', `svc1.testns.svc.${zone}`, 'A', [`svc1.testns.svc.${zone}. A 10.96.0.100`]],
    ['DNS-3', `kubernetes.default.svc.${zone}`, 'AAAA', [`kubernetes.default.svc.${zone}. AAAA fd00:10:96::1`]],
    ['DNS-4', `_http._tcp.svc1.testns.svc.${zone}`, 'SRV', [`_http._tcp.svc1.testns.svc.${zone}. SRV 0 100 80 svc1.testns.svc.${zone}.`]],
    ['DNS-5', '100.0.96.10.in-addr.arpa', 'PTR', [`100.0.96.10.in-addr.arpa. PTR svc1.testns.svc.${zone}.`]],
    ['DNS-5', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa', 'PTR', [`1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. PTR kubernetes.default.svc.${zone}.`]],
    ['DNS-6', `hdls1.testns.svc.${zone}`, 'A', ['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'].map((ip) => `hdls1.testns.svc.${zone}. A ${ip}`)],
    ['DNS-6', `hdls1.testns.svc.${zone}`, 'AAAA', ['5678:abcd::1', '5678:abcd::2'].map((ip) => `hdls1.testns.svc.${zone}. AAAA ${ip}`)],
    ['DNS-8, DNS-18', `pod-0.hdlsprtls.testns.svc.${zone}`, 'A', [`pod-0.hdlsprtls.testns.svc.${zone}. A 172.0.0.20`]],
    ['DNS-8', `dup-name.hdls1.testns.svc.${zone}`, 'A', ['172.0.0.4', '172.0.0.5'].map((ip) => `dup-name.hdls1.testns.svc.${zone}. A ${ip}`)],
    ['DNS-9', `172-0-0-2.hdls1.testns.svc.${zone}`, 'A', [`172-0-0-2.hdls1.testns.svc.${zone}. A 172.0.0.2`]],
    ['DNS-9', `5678-abcd--1.hdls1.testns.svc.${zone}`, 'AAAA', [`5678-abcd--1.hdls1.testns.svc.${zone}. AAAA 5678:abcd::1`]],
    ['DNS-11', '4.0.0.172.in-addr.arpa', 'PTR', [`4.0.0.172.in-addr.arpa. PTR dup-name.hdls1.testns.svc.${zone}.`]],
    ['DNS-12', `external.testns.svc.${zone}`, 'CNAME', [`external.testns.svc.${zone}. CNAME ext.interwebs.test.`]],
    ['DNS-12 without upstream', `external.testns.svc.${zone}`, 'A', [`external.testns.svc.${zone}. CNAME ext.interwebs.test.`]],
    ['DNS-13', `hdlsunready.testns.svc.${zone}`, 'A', [`hdlsunready.testns.svc.${zone}. A 172.0.0.30`]],
    ['DNS-14', `kubernetes.default.svc.${zone}`, 'A', [`kubernetes.default.svc.${zone}. A 10.96.0.1`]],
    ['DNS-41', zone, 'NS', [`${zone}. NS ns.dns.${zone}.`]],
    ['DNS-41', zone, 'SOA', [`${zone}. SOA`]],
    ['DNS-42', `ns.dns.${zone}`, 'A', [`ns.dns.${zone}. A 10.96.0.10`]],
    ['DNS-42', `ns.dns.${zone}`, 'AAAA', [`ns.dns.${zone}. AAAA fd00:10:96::a`]],
    ['DNS-47', `svc1.testns.svc.${zone}`, 'SRV', [`svc1.testns.svc.${zone}. SRV 0 100 80 svc1.testns.svc.${zone}.`]],
    ['DNS-48', `_http._tcp.svc1.testns.svc.${zone}`, 'A', [`_http._tcp.svc1.testns.svc.${zone}. A 10.96.0.100`]],
    ['DNS-50', `172-0-0-1.svc1.testns.svc.${zone}`, 'A', [`172-0-0-1.svc1.testns.svc.${zone}. A 172.0.0.1`]],
    ['DNS-50', `hdlsprtls.testns.svc.${zone}`, 'A', [`hdlsprtls.testns.svc.${zone}. A 172.0.0.20`]],
    ['DNS-51', `svcempty.testns.svc.${zone}`, 'A', [`svcempty.testns.svc.${zone}. A 10.96.0.101`]],
    ['DNS-53', `external-to-service.testns.svc.${zone}`, 'A', [`external-to-service.testns.svc.${zone}. CNAME svc1.testns.svc.${zone}.`, `svc1.testns.svc.${zone}. A 10.96.0.100`]],
    ['DNS-67', `10-240-0-1.testns.pod.${zone}`, 'A', [`10-240-0-1.testns.pod.${zone}. A 10.240.0.1`]],
    ['DNS-69', `fd00--1.testns.pod.${zone}`, 'AAAA', [`fd00--1.testns.pod.${zone}. AAAA fd00::1`]],
    ['reverse apex', '96.10.in-addr.arpa', 'SOA', ['96.10.in-addr.arpa. SOA']],
  ])('%s: %s %s', async (_, name, type, answers) => {
    expect(await ask(name, type)).toMatchObject({ rcode: 'NOERROR', answers: [...answers].sort(), authorities: [] })
  })

  test('DNS-10, DNS-49: headless SRV has one record per target, weights share 100, addresses of both families come along', async () => {
    const message = show(await server.tcp(question(`_http._tcp.hdls1.testns.svc.${zone}`, 'SRV')))
    const targets = ['172-0-0-2', '172-0-0-3', '5678-abcd--1', '5678-abcd--2', 'dup-name']
    expect(message.answers).toEqual(targets.map((target) => `_http._tcp.hdls1.testns.svc.${zone}. SRV 0 16 80 ${target}.hdls1.testns.svc.${zone}.`).sort())
    expect(message.additionals).toHaveLength(6)
    expect(message.additionals).toContain(`dup-name.hdls1.testns.svc.${zone}. A 172.0.0.5`)
  })

  test('DNS-49: a dual-stack Service has weight 50', async () => {
    const { additionals, answers } = await ask(`_https._tcp.kubernetes.default.svc.${zone}`, 'SRV')
    expect(answers).toEqual([`_https._tcp.kubernetes.default.svc.${zone}. SRV 0 50 443 kubernetes.default.svc.${zone}.`])
    expect(additionals).toEqual([`kubernetes.default.svc.${zone}. A 10.96.0.1`, `kubernetes.default.svc.${zone}. AAAA fd00:10:96::1`])
  })

  test('DNS-52, DNS-53: aliases come before what they lead to, and stop when they go round', async () => {
    const chain = await server.udp(question(`external-to-service.testns.svc.${zone}`, 'A'))
    expect(chain.answers.map(({ data }) => data.type)).toEqual(['CNAME', 'A'])
    const loop = await server.udp(question(`external-loop-a.testns.svc.${zone}`, 'A'))
    expect(loop).toMatchObject({ rcode: 0 })
    expect(loop.answers.map(({ data }) => data.type)).toEqual(['CNAME', 'CNAME'])
  })

  test('DNS-1, DNS-55: case does not matter and comes back as it was asked', async () => {
    const message = await server.udp(question(`SvC1.TeStNs.sVc.ClUsTeR.lOcAl`, 'A'))
    expect(show(message).answers).toEqual([`SvC1.TeStNs.sVc.ClUsTeR.lOcAl. A 10.96.0.100`])
    expect(message.authoritative).toBe(true)
  })

  test('ANY gets one small record (RFC 8482)', async () => {
    expect(await ask(`hdls1.testns.svc.${zone}`, 'ANY')).toMatchObject({ rcode: 'NOERROR', answers: [`hdls1.testns.svc.${zone}. TYPE13`] })
  })
})

describe('lookup() has nothing', () => {
  test.each<readonly [string, string, RrTypeName | number]>([
    ['DNS-35 (trap 1)', `svc1.testns.svc.${zone}`, 'AAAA'],
    ['DNS-35', `svc6.testns.svc.${zone}`, 'A'],
    ['DNS-36', `svc1.testns.svc.${zone}`, 'TXT'],
    ['DNS-37', `svc1.testns.svc.${zone}`, 'HINFO'],
    ['DNS-37', `svc1.testns.svc.${zone}`, 65_280],
    ['DNS-38', `svc.${zone}`, 'A'],
    ['DNS-38', `pod.${zone}`, 'A'],
    ['DNS-38', `testns.svc.${zone}`, 'A'],
    ['DNS-38', `empty.svc.${zone}`, 'SRV'],
    ['DNS-40', `svc1.testns.svc.${zone}`, 'NS'],
    ['DNS-40', `svc1.testns.svc.${zone}`, 'SOA'],
    ['DNS-41', zone, 'A'],
    ['DNS-41', zone, 'SRV'],
    ['DNS-42', `dns.${zone}`, 'A'],
    ['DNS-42', `dns-version.${zone}`, 'A'],
    ['DNS-52', `external.testns.svc.${zone}`, 'SRV'],
    ['DNS-60', `svc1.testns.svc.${zone}`, 'PTR'],
    ['DNS-67', `testns.pod.${zone}`, 'A'],
    ['DNS-69', `fd00--1.testns.pod.${zone}`, 'A'],
    ['RFC 8020', `_tcp.svc1.testns.svc.${zone}`, 'SRV'],
  ])('%s: %s %s is NODATA with SOA', async (_, name, type) => {
    const message = await server.udp(question(name, type))
    expect(show(message)).toMatchObject({ rcode: 'NOERROR', answers: [], authorities: soa })
    expect(message.authoritative).toBe(true)
  })

  test.each<readonly [string, string, RrTypeName]>([
    ['DNS-7', `hdlsempty.testns.svc.${zone}`, 'A'],
    ['DNS-7', `_http._tcp.hdlsempty.testns.svc.${zone}`, 'SRV'],
    ['DNS-33', `svc0.testns.svc.${zone}`, 'A'],
    ['DNS-33', `svc0.testns.svc.${zone}`, 'AAAA'],
    ['DNS-34', `svc0.svc-nons.svc.${zone}`, 'TXT'],
    ['DNS-36', `svc0.testns.svc.${zone}`, 'TXT'],
    ['DNS-39', `foo.${zone}`, 'A'],
    ['DNS-39', `foo.${zone}`, 'NS'],
    ['DNS-39', `foo.svc.${zone}`, 'A'],
    ['DNS-43', `bogusendpoint.hdls1.testns.svc.${zone}`, 'A'],
    ['DNS-43', `bogusendpoint.svc0.testns.svc.${zone}`, 'A'],
    ['DNS-44', `endpoint.external.testns.svc.${zone}`, 'A'],
    ['DNS-44', `sub.sub.external.testns.svc.${zone}`, 'A'],
    ['DNS-45', `a.b.c.svc1.testns.svc.${zone}`, 'A'],
    ['DNS-46', `*.testns.svc.${zone}`, 'A'],
    ['DNS-46', `any.testns.svc.${zone}`, 'A'],
    ['DNS-48', `_other._tcp.svc1.testns.svc.${zone}`, 'SRV'],
    ['DNS-48', `_http._udp.svc1.testns.svc.${zone}`, 'SRV'],
    ['DNS-30', `www.example.com.testns.svc.${zone}`, 'A'],
    ['DNS-30', `www.example.com.svc.${zone}`, 'A'],
    ['DNS-30', `www.example.com.${zone}`, 'A'],
    ['DNS-60', `100.0.0.10.${zone}`, 'PTR'],
    ['DNS-67', `not-an-ip.testns.pod.${zone}`, 'TXT'],
    ['DNS-67', `10-240-0-1.nons.pod.${zone}`, 'A'],
  ])('%s: %s %s is NXDOMAIN with SOA', async (_, name, type) => {
    const message = await server.udp(question(name, type))
    expect(show(message)).toMatchObject({ rcode: 'NXDOMAIN', answers: [], authorities: soa })
    expect(message.authoritative).toBe(true)
  })

  test('DNS-31: the SOA lives as long as what it denies', async () => {
    const { authorities } = await server.udp(question(`nope.${zone}`, 'A'))
    expect(authorities[0]).toMatchObject({ ttlSeconds: 5, data: { type: 'SOA', refreshSeconds: 7200, retrySeconds: 1800, expireSeconds: 86_400, minimumSeconds: 5 } })
  })

  test.each<readonly [string, string, RrTypeName, string]>([
    ['DNS-59', '99.99.96.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    ['DNS-60', 'svc1.testns.svc.96.10.in-addr.arpa', 'A', 'NXDOMAIN'],
    ['an address and another type', '100.0.96.10.in-addr.arpa', 'A', 'NOERROR'],
    ['part of an address', '0.96.10.in-addr.arpa', 'PTR', 'NOERROR'],
  ])('%s: %s %s in a served reverse zone is %s with its SOA', async (_, name, type, rcode) => {
    expect(await ask(name, type)).toMatchObject({ rcode, answers: [], authorities: ['96.10.in-addr.arpa. SOA'] })
  })

  test('DNS-59, DNS-70: reverse names elsewhere are not ours to deny', async () => {
    expect(await ask('99.99.244.10.in-addr.arpa', 'PTR')).toMatchObject({ rcode: 'SERVFAIL' })
    expect(await ask('9.0.244.10.in-addr.arpa', 'PTR')).toMatchObject({ rcode: 'SERVFAIL' })
  })
})

describe('lookup() of pods', () => {
  test('DNS-66: mode disabled denies all', async () => {
    await using own = await startDns({ config: { pods: 'disabled' } })
    expect(show(await own.udp(question(`10-244-0-9.testns.pod.${zone}`, 'A')))).toMatchObject({ rcode: 'NXDOMAIN', authorities: soa })
  })

  test('DNS-68: mode verified knows pods, not addresses', async () => {
    await using own = await startDns({ config: { pods: 'verified' } })
    expect(show(await own.udp(question(`10-244-0-9.testns.pod.${zone}`, 'A')))).toMatchObject({ rcode: 'NOERROR', answers: [`10-244-0-9.testns.pod.${zone}. A 10.244.0.9`] })
    for (const name of [`10-244-0-8.testns.pod.${zone}`, `10-244-0-9.default.pod.${zone}`, `172-30-1-11.testns.pod.${zone}`]) {
      expect(show(await own.udp(question(name, 'A')))).toMatchObject({ rcode: 'NXDOMAIN' })
    }
    own.stores.pods.remove('testns/pod-1')
    await own.dns.settled()
    expect(show(await own.udp(question(`10-244-0-9.testns.pod.${zone}`, 'A')))).toMatchObject({ rcode: 'NXDOMAIN' })
  })
})
