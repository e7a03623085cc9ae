import { createSocket } from 'node:dgram'
import { createConnection } from 'node:net'
import { createRegistry, type Registry, realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { loadConfig } from '@weft/daemon'
import { type DnsConfig, dnsConfigSchema } from '../src/config.ts'
import { createDns, type Dns } from '../src/dns.ts'
import { emptyMessage, type Message, readMessage, writeMessage } from '../src/wire/message.ts'
import { parseName } from '../src/wire/name.ts'
import { rrTypes, type RrTypeName } from '../src/wire/codes.ts'
import type { Edns } from '../src/wire/edns.ts'
import { type ClusterObjects, type ClusterStores, sampleCluster, storesOf } from './cluster.ts'

export interface Running extends AsyncDisposable {
  readonly dns: Dns
  readonly port: number
  readonly stores: ClusterStores
  readonly registry: Registry
  /** Sends a query over UDP and reads the response. */
  udp(query: Message | Uint8Array): Promise<Message>
  tcp(query: Message | Uint8Array): Promise<Message>
}

export interface RunningOptions {
  readonly cluster?: ClusterObjects
  readonly stores?: Partial<ClusterStores>
  readonly config?: Record<string, unknown>
}

export function configOf(config: Record<string, unknown> = {}): DnsConfig {
  return loadConfig(dnsConfigSchema, { listen: ['127.0.0.1:0'], lameduck: '0s', forward: { resolvConf: '' }, ...config }, { source: 'test' })
}

/** A real server on a free port of 127.0.0.1. */
export async function startDns(options: RunningOptions = {}): Promise<Running> {
  for (let attempts = 5; ; attempts -= 1) {
    try {
      return await tryDns(options)
    } catch (error) {
      // The port that was free for UDP is some client's for TCP.
      if (attempts === 0 || !(error instanceof Error && error.message.includes('EADDRINUSE'))) throw error
    }
  }
}

async function tryDns({ cluster = sampleCluster, config, stores: given }: RunningOptions): Promise<Running> {
  const stores = { ...storesOf(cluster), ...given }
  const registry = createRegistry()
  const dns = createDns({ config: configOf(config), stores, clock: realClock, logger: silentLogger, registry })
  const stop = new AbortController()
  const running = dns.run(stop.signal)
  running.catch(() => undefined)
  const [address] = await dns.whenListening()
  const port = address!.port
  if (stores.services.hasSynced) await until(() => dns.ready().ready)
  return {
    dns,
    port,
    stores,
    registry,
    udp: async (query) => readMessage(await askUdp(port, bytesOf(query))),
    tcp: async (query) => readMessage((await askTcp(port, [bytesOf(query)]))[0]!),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !condition(); turn++) await realClock.sleep(5)
  if (!condition()) throw new Error('Cannot wait any longer: 2.5 s are over')
}

export function question(name: string, type: RrTypeName | number, options: Partial<Message> & { readonly edns?: Edns } = {}): Message {
  return { ...emptyMessage, id: 4711, recursionDesired: true, questions: [{ name: parseName(name), type: typeof type === 'number' ? type : rrTypes[type], class: 1 }], ...options }
}

export function edns(udpBytes: number): Edns {
  return { udpBytes, version: 0, dnssecOk: false, options: [] }
}

function bytesOf(query: Message | Uint8Array): Uint8Array {
  return query instanceof Uint8Array ? query : writeMessage(query)
}

/** @returns The response's bytes; rejects after a second without any. */
export async function askUdp(port: number, query: Uint8Array, timeoutMs = 3000): Promise<Buffer> {
  const socket = createSocket('udp4')
  const { promise, reject, resolve } = Promise.withResolvers<Buffer>()
  socket.on('message', resolve)
  socket.on('error', reject)
  const timer = setTimeout(() => reject(new Error('no response')), timeoutMs)
  try {
    socket.send(query, port, '127.0.0.1')
    return await promise
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

/** Sends all queries at once over one connection; responses in the order they come. */
export async function askTcp(port: number, queries: readonly Uint8Array[]): Promise<Buffer[]> {
  const socket = createConnection({ host: '127.0.0.1', port })
  const { promise, reject, resolve } = Promise.withResolvers<Buffer[]>()
  const responses: Buffer[] = []
  let received = Buffer.alloc(0)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('closed')))
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      responses.push(received.subarray(2, 2 + received.readUInt16BE(0)))
      received = received.subarray(2 + received.readUInt16BE(0))
    }
    if (responses.length >= queries.length) resolve(responses)
  })
  for (const query of queries) {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  }
  const timer = setTimeout(() => reject(new Error('no response')), 3000)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
