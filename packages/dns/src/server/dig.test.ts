// dig is BIND's client: what it reads, other resolvers read too.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { skippable } from '@weft/daemon/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Running, startDns } from '../../test/running.ts'

const run = promisify(execFile)
const program = '/usr/bin/dig'
const missing = existsSync(program) ? undefined : `Needs ${program}: apt-get install bind9-dnsutils`

describe.skipIf(missing !== undefined)(skippable('dig', missing), () => {
  let server: Running
  beforeAll(async () => {
    server = await startDns()
  })
  afterAll(async () => await server[Symbol.asyncDispose]())

  async function dig(...words: readonly string[]): Promise<string> {
    const { stdout } = await run(program, ['@127.0.0.1', '-p', String(server.port), '+tries=1', '+time=3', ...words])
    return stdout
  }

  async function short(...words: readonly string[]): Promise<string[]> {
    return (await dig('+short', ...words)).trim().split('\n').sort()
  }

  test.each([['UDP', '+notcp'], ['TCP', '+tcp']])('DNS-16 over %s: A, AAAA, SRV and PTR as e2e asks for them', async (_, transport) => {
    expect(await short(transport, '+search', 'hdls1.testns.svc.cluster.local', 'A')).toEqual(['172.0.0.2', '172.0.0.3', '172.0.0.4', '172.0.0.5'])
    expect(await short(transport, 'kubernetes.default.svc.cluster.local', 'AAAA')).toEqual(['fd00:10:96::1'])
    expect(await short(transport, '_http._tcp.svc1.testns.svc.cluster.local', 'SRV')).toEqual(['0 100 80 svc1.testns.svc.cluster.local.'])
    expect(await short(transport, '_http._tcp.hdls1.testns.svc.cluster.local', 'SRV')).toHaveLength(5)
    expect(await short(transport, '-x', '10.96.0.100')).toEqual(['svc1.testns.svc.cluster.local.'])
    expect(await short(transport, '-x', 'fd00:10:96::1')).toEqual(['kubernetes.default.svc.cluster.local.'])
    expect(await short(transport, 'dns-version.cluster.local', 'TXT')).toEqual(['"1.1.0"'])
    expect(await short(transport, 'external.testns.svc.cluster.local', 'CNAME')).toEqual(['ext.interwebs.test.'])
  })

  test.each(['svc1', 'svc1.testns', 'svc1.testns.svc'])('DNS-17: finds the partial name %s along the search list', async (name) => {
    // dig takes one +domain; a pod's resolver goes through the three of them in this order.
    const found: string[] = []
    for (const domain of ['testns.svc.cluster.local', 'svc.cluster.local', 'cluster.local']) found.push(...await short('+search', `+domain=${domain}`, '+ndots=5', name))
    expect(found).toContain('10.96.0.100')
  })

  test('DNS-31: NXDOMAIN and NODATA are authoritative and carry the SOA', async () => {
    for (const [name, status] of [['nope.testns.svc.cluster.local', 'NXDOMAIN'], ['svc1.testns.svc.cluster.local', 'NOERROR']] as const) {
      const text = await dig(name, 'AAAA')
      expect(text).toContain(`status: ${status}`)
      expect(text).toMatch(/flags: qr aa rd/)
      expect(text).toMatch(/;; AUTHORITY SECTION:\ncluster\.local\.\t\t5\tIN\tSOA\tns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 5/)
    }
  })

  test('reads every response without a warning, odd names too', async () => {
    for (const words of [['HDLS1.testns.SVC.cluster.local', 'A'], ['_http._tcp.hdls1.testns.svc.cluster.local', 'SRV', '+bufsize=512'], ['cluster.local', 'ANY'], ['cluster.local', 'NS'], [String.raw`a\.b.testns.svc.cluster.local`, 'A'], ['.', 'NS']]) {
      const text = await dig(...words)
      expect(text).not.toMatch(/WARNING: (?!recursion|\.local)|malformed|Got bad packet/i)
    }
  })

  test('DNS-73: BADVERS offers version 0', async () => {
    const text = await dig('+edns=1', '+noednsnegotiation', 'svc1.testns.svc.cluster.local', 'A')
    expect(text).toContain('status: BADVERS')
    expect(text).toContain('EDNS: version: 0')
  })

  test('retries truncated answers over TCP by itself', async () => {
    expect(await short('+noedns', '_http._tcp.hdls1.testns.svc.cluster.local', 'SRV')).toHaveLength(5)
  })
})
