// The program of a UDP worker: keeps its own copy of the zone from the changes it is told, and answers.
import { parentPort, workerData } from 'node:worker_threads'
import { type Logger, realClock } from '@weft/daemon'
import { LiveZone } from '../zone/live-zone.ts'
import { Counters } from './counters.ts'
import { createThread, openUdp } from './thread.ts'
import type { FromWorker, ToWorker, WorkerStart } from './udp-worker.ts'

const port = parentPort!
const start = workerData as WorkerStart
const tell = (message: FromWorker): void => port.postMessage(message)

function log(level: 'trace' | 'debug' | 'info' | 'warn' | 'error', bound: object): (fields: object, message: string) => void {
  return (fields, message) => tell({ kind: 'log', level, fields: { ...bound, ...fields }, message })
}

function portLogger(bound: object): Logger {
  return { trace: log('trace', bound), debug: log('debug', bound), info: log('info', bound), warn: log('warn', bound), error: log('error', bound), child: (fields) => portLogger({ ...bound, ...fields }) }
}

const logger = portLogger({})
const stop = new AbortController()
const zone = new LiveZone(start.options, start.serial)
for (const change of start.changes) zone.apply(change, start.serial)
if (start.synced) zone.markSynced()
const thread = createThread({ ...start, zone, counters: new Counters(start.counters), clock: realClock, logger, rng: Math.random })

port.on('message', (message: ToWorker) => {
  if (message.kind === 'change') zone.apply(message.change, message.serial)
  else if (message.kind === 'synced') zone.markSynced()
  else stop.abort()
})

try {
  const servers = await openUdp(start.listen, thread, { reusePort: true, logger })
  tell({ kind: 'listening', addresses: servers.map(({ address }) => address) })
  await thread.resolver.run(stop.signal)
  if (!stop.signal.aborted) await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  for (const server of servers) await server[Symbol.asyncDispose]()
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
}
port.close()
