import { createConnection, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { toEndpointSlice, toService } from '@weft/api'
import { Store } from '@weft/kube'
import { sampleCluster, service, slice } from '../../test/cluster.ts'
import { askTcp, askUdp, edns, question, startDns, until } from '../../test/running.ts'
import { show, showRecord } from '../../test/show.ts'
import { emptyMessage, readMessage, writeMessage } from '../wire/message.ts'
import { parseName } from '../wire/name.ts'

const big = {
  ...sampleCluster,
  services: [...sampleCluster.services!, service('testns/big', { clusterIP: 'None', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] })],
  slices: [...sampleCluster.slices!, slice('testns/big', { ports: [{ name: 'http', port: 80 }], endpoints: Array.from({ length: 200 }, (_, n) => ({ ip: `10.244.7.${n}` })) })],
}

async function metric(server: { readonly registry: { metrics(): Promise<string> } }, line: string): Promise<number> {
  return Number((await server.registry.metrics()).split('\n').find((each) => each.startsWith(`${line} `))?.split(' ').at(-1))
}

describe('server', () => {
  test('DNS-74, DNS-75: answers fit: 512 bytes without EDNS, the client\'s size with it, never more than 1232; TC says so', async () => {
    await using server = await startDns({ cluster: big })
    const name = 'big.testns.svc.cluster.local'
    for (const [options, limit] of [[{}, 512], [{ edns: edns(100) }, 512], [{ edns: edns(900) }, 900], [{ edns: edns(65_000) }, 1232]] as const) {
      const bytes = await askUdp(server.port, writeMessage(question(name, 'A', options)))
      const message = readMessage(bytes)
      expect(bytes.length).toBeLessThanOrEqual(limit)
      expect(bytes.length).toBeGreaterThan(limit - 40)
      expect(message.truncated).toBe(true)
      expect(message.edns === undefined).toBe(!('edns' in options))
    }
    const whole = await server.tcp(question(name, 'A'))
    expect(whole.truncated).toBe(false)
    expect(whole.answers).toHaveLength(200)
  })

  test('DNS-74: additional records go before TC is set', async () => {
    await using server = await startDns()
    const query = question('_http._tcp.hdls1.testns.svc.cluster.local', 'SRV')
    const [udp, tcp] = [await server.udp(query), await server.tcp(query)]
    expect(udp.truncated).toBe(false)
    expect(udp.answers).toHaveLength(5)
    expect(udp.additionals.length).toBeLessThan(tcp.additionals.length)
  })

  test('DNS-74: DO is copied, options of the client are not', async () => {
    await using server = await startDns()
    const { edns: echoed } = await server.udp(question('svc1.testns.svc.cluster.local', 'A', { edns: { udpBytes: 4096, version: 0, dnssecOk: true, options: [{ code: 10, data: Buffer.alloc(8) }] } }))
    expect(echoed).toEqual({ udpBytes: 1232, version: 0, dnssecOk: true, options: [] })
  })

  test('DNS-72, DNS-73: what is not a plain question is refused with the right code', async () => {
    await using server = await startDns()
    const ask = async (parts: object): Promise<number> => (await server.udp({ ...question('svc1.testns.svc.cluster.local', 'A'), ...parts })).rcode
    const name = parseName('svc1.testns.svc.cluster.local')
    expect(await ask({ questions: [] })).toBe(2)
    expect(await ask({ questions: [{ name, type: 1, class: 1 }, { name, type: 1, class: 1 }] })).toBe(1)
    expect(await ask({ opcode: 4 })).toBe(4)
    expect(await ask({ opcode: 5 })).toBe(4)
    expect(await ask({ questions: [{ name, type: 16, class: 3 }] })).toBe(5)
    expect(await ask({ edns: { ...edns(1232), version: 1 } })).toBe(16)
    expect(await ask({ edns: { ...edns(1232), version: 1 } }).then(async () => (await server.udp(question('a', 'A', { edns: { ...edns(512), version: 9 } }))).edns)).toMatchObject({ version: 0 })
  })

  test('DNS-62: zone transfers are refused', async () => {
    await using server = await startDns()
    expect((await server.tcp(question('cluster.local', 'AXFR'))).rcode).toBe(5)
    expect((await server.tcp(question('cluster.local', 'IXFR'))).rcode).toBe(5)
  })

  test('DNS-81: addresses turn: every one comes first now and then, none is lost', async () => {
    await using server = await startDns()
    const first = new Map<string, number>()
    for (let n = 0; n < 200; n++) {
      const { answers } = await server.udp(question('hdls1.testns.svc.cluster.local', 'A'))
      expect(new Set(answers.map(showRecord)).size).toBe(4)
      first.set(showRecord(answers[0]!), (first.get(showRecord(answers[0]!)) ?? 0) + 1)
      // Clients ask for both families in turn: the turns must not fall in step with that.
      await server.udp(question('hdls1.testns.svc.cluster.local', 'AAAA'))
    }
    expect(first.size).toBe(4)
    expect(Math.min(...first.values())).toBeGreaterThan(20)
  })

  test('DNS-57: before the stores are synced cluster names get SERVFAIL, never NXDOMAIN, and the server is not ready', async () => {
    const endpointSlices = new Store<ReturnType<typeof toEndpointSlice>>()
    await using server = await startDns({ stores: { endpointSlices, services: new Store() } })
    await until(() => server.dns.ready().waiting.length === 1)
    expect(server.dns.ready()).toEqual({ ready: false, waiting: ['services and endpoints'] })
    for (const name of ['svc0.testns.svc.cluster.local', 'testns.svc.cluster.local', '10-0-0-1.testns.pod.cluster.local', '7.0.96.10.in-addr.arpa']) {
      expect((await server.udp(question(name, 'A'))).rcode).toBe(2)
    }
    server.stores.services.replace(sampleCluster.services!.map((each) => toService(each)))
    await server.dns.settled()
    expect(show(await server.udp(question('svc1.testns.svc.cluster.local', 'A'))).answers).toHaveLength(1)
    expect((await server.udp(question('svc0.testns.svc.cluster.local', 'A'))).rcode).toBe(2)
    endpointSlices.replace([])
    await until(() => server.dns.ready().ready)
    expect((await server.udp(question('svc0.testns.svc.cluster.local', 'A'))).rcode).toBe(3)
  })

  test('DNS-20, SVC-53: an ExternalName changes, then becomes a ClusterIP', async () => {
    await using server = await startDns()
    const name = 'external.testns.svc.cluster.local'
    const put = async (spec: object): Promise<readonly string[]> => {
      server.stores.services.put(toService(service('testns/external', spec)))
      await server.dns.settled()
      return show(await server.udp(question(name, 'A'))).answers
    }
    expect(await put({ type: 'ExternalName', externalName: 'bar.example.com' })).toEqual([`${name}. CNAME bar.example.com.`])
    expect(await put({ clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'], ports: [] })).toEqual([`${name}. A 10.96.0.77`])
    expect(await put({ type: 'ExternalName', externalName: 'foo.example.com.' })).toEqual([`${name}. CNAME foo.example.com.`])
  })

  test('kept answers go when their Service changes', async () => {
    await using server = await startDns()
    const name = 'hdls1.testns.svc.cluster.local'
    expect((await server.udp(question(name, 'A'))).answers).toHaveLength(4)
    server.stores.endpointSlices.put(toEndpointSlice(slice('testns/hdls1', { endpoints: [{ ip: '172.0.0.9' }] })))
    await server.dns.settled()
    expect(show(await server.udp(question(name, 'A'))).answers).toEqual([`${name}. A 172.0.0.9`])
  })

  test('clients outside the allowed ranges are refused', async () => {
    await using server = await startDns({ config: { clients: ['10.0.0.0/8'] } })
    const query = question('svc1.testns.svc.cluster.local', 'A')
    expect(await server.udp(query)).toMatchObject({ rcode: 5, answers: [] })
    expect(await server.tcp(query)).toMatchObject({ rcode: 5, answers: [] })
    expect(await metric(server, 'weft_dns_refused_total{reason="client"}')).toBe(2)
    await using open = await startDns({ config: { clients: ['127.0.0.0/8'] } })
    expect(await open.udp(query)).toMatchObject({ rcode: 0 })
  })

  test('fault 34: above the limit a source is told to use TCP and gets no more than it sent', async () => {
    await using server = await startDns({ config: { maxQueriesPerClient: 5 } })
    const query = question('hdls1.testns.svc.cluster.local', 'A')
    const lengths: number[] = []
    for (let n = 0; n < 20; n++) {
      const bytes = await askUdp(server.port, writeMessage(query))
      if (readMessage(bytes).truncated) lengths.push(bytes.length)
    }
    expect(lengths.length).toBeGreaterThan(5)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(writeMessage(query).length)
    expect((await server.tcp(query)).answers).toHaveLength(4)
  })

  test('fault 34: no question makes an answer over UDP larger than 1232 bytes', async () => {
    await using server = await startDns({ cluster: big })
    let worst = 0
    for (const type of ['ANY', 'TXT', 'A', 'SRV', 'NS', 'SOA'] as const) {
      for (const name of ['big.testns.svc.cluster.local', '_http._tcp.big.testns.svc.cluster.local', 'cluster.local', 'dns-version.cluster.local']) {
        worst = Math.max(worst, (await askUdp(server.port, writeMessage(question(name, type, { edns: edns(65_535) })))).length)
      }
    }
    expect(worst).toBeLessThanOrEqual(1232)
    expect((await askUdp(server.port, writeMessage(question('big.testns.svc.cluster.local', 'ANY', { edns: edns(65_535) })))).length).toBeLessThan(100)
  })

  test('fault 33: mutated queries and nonsense do no harm', async () => {
    await using server = await startDns()
    const query = writeMessage(question('svc1.testns.svc.cluster.local', 'A', { edns: { ...edns(1232), options: [{ code: 10, data: Buffer.alloc(8) }] } }))
    const { createSocket } = await import('node:dgram')
    const socket = createSocket('udp4')
    for (let at = 0; at < query.length; at++) {
      for (const bits of [1, 0x40, 0x80, 0xc0, 0xff]) {
        const mutant = Buffer.from(query)
        mutant[at] = mutant[at]! ^ bits
        socket.send(mutant, server.port, '127.0.0.1')
      }
      socket.send(query.subarray(0, at), server.port, '127.0.0.1')
    }
    expect(show(await server.udp(question('svc1.testns.svc.cluster.local', 'A'))).answers).toHaveLength(1)
    expect(await metric(server, 'weft_dns_panics_total')).toBe(0)
    socket.close()
  })

  test('a response sent to the server gets no answer: two servers cannot talk for ever', async () => {
    await using server = await startDns()
    await expect(askUdp(server.port, writeMessage({ ...question('svc1.testns.svc.cluster.local', 'A'), response: true }), 200)).rejects.toThrow('no response')
  })

  test('lameduck: answers go on for a while after the signal, readiness does not', async () => {
    const server = await startDns({ config: { lameduck: '300ms' } })
    const gone = server[Symbol.asyncDispose]()
    await until(() => !server.dns.ready().ready)
    expect(server.dns.ready().waiting).toEqual(['end of lameduck'])
    expect((await server.udp(question('svc1.testns.svc.cluster.local', 'A'))).answers).toHaveLength(1)
    await gone
    await expect(server.udp(question('svc1.testns.svc.cluster.local', 'A'))).rejects.toThrow(/no response|ECONNREFUSED/)
  })

  test('workers share the port and know the zone', async () => {
    await using server = await startDns({ config: { workers: 2 } })
    const name = 'svc1.testns.svc.cluster.local'
    server.stores.services.put(toService(service('testns/svc1', { clusterIP: '10.96.0.55', clusterIPs: ['10.96.0.55'], ports: [] })))
    await server.dns.settled()
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let n = 0; n < 20; n++) expect(show(await server.udp(question(name, 'A'))).answers).toEqual([`${name}. A 10.96.0.55`])
    expect((await server.udp(question('nope.cluster.local', 'A'))).rcode).toBe(3)
    expect((await server.tcp(question(name, 'A'))).answers).toHaveLength(1)
    expect(await metric(server, 'weft_dns_queries_total{zone="cluster",type="A"}')).toBe(22)
  })

  test('refuses an address that is not this machine\'s', async () => {
    await expect(startDns({ config: { listen: ['192.0.2.1:0'] } })).rejects.toMatchObject({ code: 'ERR_DNS_LISTEN' })
  })
})

describe('server over TCP', () => {
  const name = 'svc1.testns.svc.cluster.local'
  const query = (id: number): Buffer => writeMessage({ ...emptyMessage, ...question(name, 'A'), id })

  async function connect(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
    const socket = createConnection({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    return socket
  }

  test('answers many questions that come at once on one connection', async () => {
    await using server = await startDns()
    const ids = Array.from({ length: 300 }, (_, index) => index + 1)
    const responses = await askTcp(server.port, ids.map(query))
    expect(responses.map((bytes) => readMessage(bytes).id).sort((a, b) => a - b)).toEqual(ids)
  })

  test('takes messages byte by byte', async () => {
    await using server = await startDns()
    const socket = await connect(server.port)
    const framed = Buffer.concat([Buffer.from([0, query(1).length]), query(1)])
    for (const byte of framed) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const response = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    expect(readMessage(response.subarray(2)).answers).toHaveLength(1)
    socket.destroy()
  })

  test('CVE-2017-15133, fault 33: connections that are idle or slow are closed', async () => {
    await using server = await startDns({ config: { tcp: { idleTimeout: '600ms', messageTimeout: '300ms' } } })
    const started = performance.now()
    const closed = async (socket: Socket): Promise<number> => await new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - started)))
    const other = '127.0.0.2'
    const [idle, slow, agent] = [await connect(server.port, other), await connect(server.port, other), await connect(server.port)]
    const slowly = setInterval(() => slow.write(Buffer.from([0])), 100)
    slow.write(Buffer.from([1, 0]))
    const times = await Promise.all([closed(idle), closed(slow)])
    clearInterval(slowly)
    expect(Math.max(...times)).toBeLessThan(1800)
    expect(await metric(server, 'weft_dns_tcp_connections_total{event="timeout"}')).toBe(2)
    // It waits for our end, and says nothing.
    expect(agent.readableEnded).toBe(false)
    agent.destroy()
  })

  test('fault 33: when all places are taken the one idle longest makes room', async () => {
    await using server = await startDns({ config: { tcp: { maxConnections: 5 } } })
    const idle = await Promise.all(Array.from({ length: 20 }, async () => await connect(server.port)))
    expect((await server.tcp(question(name, 'A'))).answers).toHaveLength(1)
    await until(() => idle.filter((socket) => socket.destroyed || socket.readableEnded).length >= 15)
    for (const socket of idle) socket.destroy()
    await using one = await startDns({ config: { tcp: { maxConnectionsPerClient: 2 } } })
    const [first, second] = [await connect(one.port), await connect(one.port)]
    await expect(one.tcp(question(name, 'A'))).rejects.toThrow(/closed|ECONNRESET|EPIPE/)
    first.destroy()
    second.destroy()
  })

  test('a client that does not read its answers is not read from', async () => {
    await using server = await startDns({ cluster: big, config: { tcp: { maxPendingBytes: 70_000 } } })
    const socket = await connect(server.port)
    socket.pause()
    const asked = writeMessage(question('big.testns.svc.cluster.local', 'A'))
    const framed = Buffer.concat([Buffer.from([0, asked.length]), asked])
    for (let n = 0; n < 5000; n++) socket.write(framed)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await server.udp(question(name, 'A'))).answers).toHaveLength(1)
    expect(await metric(server, 'weft_dns_queries_total{zone="cluster",type="A"}')).toBeLessThan(4900)
    socket.destroy()
  })
})
