import { createSocket } from 'node:dgram'
import { describe, expect, test } from 'vitest'
import { a, type Behaviour, fakeUpstream, soa } from '../../test/fake-upstream.ts'
import { freePort } from '../../test/free-port.ts'
import { edns, question, type Running, startDns } from '../../test/running.ts'
import { show } from '../../test/show.ts'
import { parseName } from '../wire/name.ts'

const addressOf: Behaviour = ({ name }, reply) => reply({ answers: [a(name, '192.0.2.1')] })

async function forwarding(upstreams: readonly string[], config: Record<string, unknown> = {}, forward: Record<string, unknown> = {}): Promise<Running> {
  return await startDns({ config: { forward: { upstreams, resolvConf: '', hedgeAfter: '200ms', timeout: '1500ms', ...forward }, ...config } })
}

async function metric(server: Running, line: string): Promise<number> {
  const found = (await server.registry.metrics()).split('\n').find((each) => each.startsWith(`${line} `))
  return Number(found?.split(' ').at(-1))
}

/** A bound port that never answers. */
async function silentPort(): Promise<AsyncDisposable & { readonly server: string }> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { server: `127.0.0.1:${socket.address().port}`, async [Symbol.asyncDispose]() {
    socket.close()
    await Promise.resolve()
  } }
}

describe('Resolver', () => {
  test('DNS-78: asks the upstream; the client gets its own id and spelling back', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server])
    const message = await server.udp(question('WwW.Example.Com', 'A'))
    expect(message).toMatchObject({ id: 4711, authoritative: false, recursionAvailable: true })
    expect(show(message).answers).toEqual(['WwW.Example.Com. A 192.0.2.1'])
    expect(upstream.asked[0]!.message.edns).toMatchObject({ udpBytes: 1232 })
  })

  test('DNS-79: keeps positive and negative answers, apart for DO', async () => {
    await using upstream = await fakeUpstream((asked, reply) => (asked.name.startsWith('no') ? reply({ rcode: 3, authorities: [soa('example.com')] }) : addressOf(asked, reply)))
    await using server = await forwarding([upstream.server])
    for (let n = 0; n < 3; n++) {
      expect(show(await server.udp(question('www.example.com', 'A'))).answers).toHaveLength(1)
      expect(show(await server.udp(question('no.example.com', 'A')))).toMatchObject({ rcode: 'NXDOMAIN', authorities: ['example.com. SOA'] })
    }
    expect(upstream.asked.map(({ name }) => name)).toEqual(['www.example.com.', 'no.example.com.'])
    await server.udp(question('www.example.com', 'A', { edns: { ...edns(1232), dnssecOk: true } }))
    expect(upstream.asked).toHaveLength(3)
    expect(await metric(server, 'weft_dns_cache_total{result="hit"}')).toBe(4)
  })

  test('keeps neither SERVFAIL nor answers with TTL 0', async () => {
    await using upstream = await fakeUpstream(({ name }, reply) => (name.startsWith('zero') ? reply({ answers: [a(name, '192.0.2.1', 0)] }) : reply({ rcode: 2 })))
    await using server = await forwarding([upstream.server])
    expect((await server.udp(question('bad.example', 'A'))).rcode).toBe(2)
    await server.udp(question('zero.example', 'A'))
    const before = upstream.asked.length
    await server.udp(question('bad.example', 'A'))
    await server.udp(question('zero.example', 'A'))
    expect(upstream.asked.length).toBeGreaterThanOrEqual(before + 2)
  })

  test('asks once for all who ask the same at a time', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server])
    const messages = await Promise.all(Array.from({ length: 20 }, async () => await server.udp(question('same.example', 'A'))))
    expect(messages.every((message) => message.answers.length === 1)).toBe(true)
    expect(upstream.asked).toHaveLength(1)
  })

  test('DNS-54: asks again over TCP when the upstream cuts its response', async () => {
    const many = (name: string): ReturnType<typeof a>[] => Array.from({ length: 60 }, (_, n) => a(name, `192.0.2.${n}`))
    await using upstream = await fakeUpstream(({ name, transport }, reply) => (transport === 'udp' ? reply({ truncated: true }) : reply({ answers: many(name) })))
    await using server = await forwarding([upstream.server])
    expect((await server.tcp(question('many.example', 'A'))).answers).toHaveLength(60)
    const udp = await server.udp(question('many.example', 'A'))
    expect(udp.truncated).toBe(true)
    expect(udp.answers.length).toBeLessThan(60)
  })

  test('fault 35: a dead upstream costs less than 2 s, then nothing', async () => {
    await using silent = await silentPort()
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([silent.server, upstream.server], {}, { hedgeAfter: '600ms' })
    const took: number[] = []
    for (let n = 0; n < 4; n++) {
      const started = performance.now()
      expect((await server.udp(question(`n${n}.example`, 'A'))).answers).toHaveLength(1)
      took.push(performance.now() - started)
    }
    expect(Math.max(...took)).toBeLessThan(2000)
    expect(took[3]).toBeLessThan(500)
  })

  test('fault 35: an upstream that failed is asked whether it is back, and then asked first again', async () => {
    await using first = await fakeUpstream(() => undefined)
    await using second = await fakeUpstream(addressOf)
    await using server = await forwarding([first.server, second.server])
    for (let n = 0; n < 2; n++) await server.udp(question(`failed${n}.example`, 'A'))
    first.behave(addressOf)
    let asked = 0
    await expect.poll(async () => {
      await server.udp(question(`back${asked++}.example`, 'A'))
      return first.asked.at(-1)!.name
    }, { timeout: 10_000 }).toMatch('back')
    expect(asked).toBeGreaterThan(1)
  })

  test('fault 35: all upstreams dead gives SERVFAIL, and a metric', async () => {
    await using silent = await silentPort()
    await using server = await forwarding([silent.server], {}, { timeout: '600ms' })
    expect((await server.udp(question('www.example', 'A'))).rcode).toBe(2)
    expect(await metric(server, 'weft_dns_forward_errors_total{reason="timeout"}')).toBe(1)
  })

  test('fault 35: an answer past its life is given while upstreams are silent', async () => {
    await using upstream = await fakeUpstream(({ name }, reply) => reply({ answers: [a(name, '192.0.2.1', 1)] }))
    await using server = await forwarding([upstream.server], { cache: { prefetch: false } })
    await server.udp(question('www.example', 'A'))
    upstream.behave(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const started = performance.now()
    const message = await server.udp(question('www.example', 'A'))
    expect(performance.now() - started).toBeLessThan(2000)
    expect(message.answers[0]).toMatchObject({ ttlSeconds: 30, data: { type: 'A' } })
    expect(await metric(server, 'weft_dns_cache_total{result="stale"}')).toBe(1)
  })

  test('fault 35: responses with a wrong id or question are not believed', async () => {
    await using upstream = await fakeUpstream(({ message, name }, reply) => [
      reply({ id: message.id ^ 1, answers: [a(name, '203.0.113.66')] }),
      reply({ questions: [{ ...message.questions[0]!, name: parseName('other.example') }], answers: [a(name, '203.0.113.66')] }),
      Buffer.from('garbage'),
      reply({ answers: [a(name, '192.0.2.1')] }),
    ])
    await using server = await forwarding([upstream.server])
    expect(show(await server.udp(question('www.example', 'A'))).answers).toEqual(['www.example. A 192.0.2.1'])
    expect(await metric(server, 'weft_dns_forward_errors_total{reason="forged"}')).toBe(3)
  })

  test('CVE-2023-28452: id and port of queries are random', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server])
    for (let n = 0; n < 20; n++) await server.udp(question(`n${n}.example`, 'A'))
    expect(new Set(upstream.asked.map(({ message }) => message.id)).size).toBeGreaterThan(17)
    expect(new Set(upstream.asked.map(({ port }) => port)).size).toBeGreaterThan(17)
  })

  test('case randomisation spells names at random and checks the echo', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server], {}, { caseRandomisation: true })
    const message = await server.udp(question('a-rather-long-name-with-letters.example', 'A'))
    expect(show(message).answers).toEqual(['a-rather-long-name-with-letters.example. A 192.0.2.1'])
    const spelled = Buffer.from(upstream.asked[0]!.message.questions[0]!.name).toString('latin1')
    expect(spelled).not.toBe(spelled.toLowerCase())
  })

  test('DNS-78: refuses more than maxConcurrent', async () => {
    await using upstream = await fakeUpstream(() => undefined)
    await using server = await forwarding([upstream.server], {}, { maxConcurrent: 2, timeout: '700ms' })
    const rcodes = await Promise.all(Array.from({ length: 4 }, async (_, n) => (await server.udp(question(`n${n}.example`, 'A'))).rcode))
    expect(rcodes.sort((x, y) => x - y)).toEqual([2, 2, 5, 5])
  })

  test('stub domains go to their own upstreams, label by label', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using corp = await fakeUpstream(({ name }, reply) => reply({ answers: [a(name, '10.0.0.1')] }))
    await using server = await forwarding([upstream.server], {}, { stubDomains: { 'corp.example': [corp.server] } })
    expect(show(await server.udp(question('db.Corp.Example', 'A'))).answers).toEqual(['db.Corp.Example. A 10.0.0.1'])
    expect(show(await server.udp(question('notcorp.example', 'A'))).answers).toEqual(['notcorp.example. A 192.0.2.1'])
  })

  test('CVE-2022-2835: names of the cluster never go upstream', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server])
    for (const name of ['nope.cluster.local', 'nope.testns.svc.cluster.local', 'cluster.local']) await server.udp(question(name, 'A'))
    expect(upstream.asked).toHaveLength(0)
    await server.udp(question('notcluster.local', 'A'))
    expect(upstream.asked).toHaveLength(1)
  })

  test('DNS-12: an ExternalName comes with the addresses of its target', async () => {
    await using upstream = await fakeUpstream(addressOf)
    await using server = await forwarding([upstream.server])
    const message = await server.udp(question('external.testns.svc.cluster.local', 'A'))
    expect(message.answers.map(({ data }) => data.type)).toEqual(['CNAME', 'A'])
    expect(show(message)).toMatchObject({ rcode: 'NOERROR', answers: ['ext.interwebs.test. A 192.0.2.1', 'external.testns.svc.cluster.local. CNAME ext.interwebs.test.'] })
    upstream.behave((_, reply) => reply({ rcode: 3, authorities: [soa('interwebs.test')] }))
    expect(show(await server.udp(question('external.testns.svc.cluster.local', 'AAAA')))).toMatchObject({ rcode: 'NXDOMAIN', answers: ['external.testns.svc.cluster.local. CNAME ext.interwebs.test.'], authorities: ['interwebs.test. SOA'] })
  })

  test('DNS-80: an upstream that leads back here is not used', async () => {
    const port = await freePort()
    // A relay that hands everything on to the server under test, probes included.
    const relay = createSocket('udp4')
    const back = new Map<number, number>()
    relay.on('message', (bytes, peer) => {
      const id = bytes.readUInt16BE(0)
      if (peer.port !== port) back.set(id, peer.port)
      relay.send(bytes, peer.port === port ? back.get(id)! : port, '127.0.0.1')
    })
    await new Promise<void>((resolve) => relay.bind(0, '127.0.0.1', resolve))
    await using server = await forwarding([`127.0.0.1:${relay.address().port}`], { listen: [`127.0.0.1:${port}`] })
    const deadline = performance.now() + 2000
    const loops = async (): Promise<number> => await metric(server, 'weft_dns_forward_errors_total{reason="loop"}')
    while (performance.now() < deadline && (await loops()) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await loops()).toBe(1)
    const started = performance.now()
    expect((await server.udp(question('www.example', 'A'))).rcode).toBe(2)
    expect(performance.now() - started).toBeLessThan(1000)
    relay.close()
  })

  test('without an upstream names outside get SERVFAIL, and a metric says why', async () => {
    await using server = await startDns()
    expect(await server.udp(question('www.example', 'A'))).toMatchObject({ rcode: 2, recursionAvailable: false })
    expect(await metric(server, 'weft_dns_forward_errors_total{reason="no_upstream"}')).toBe(1)
  })
})
