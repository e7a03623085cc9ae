// The program inside: started by host/launch.ts as the child of PID 1, with all namespaces new and `/proc` and the
// tmpfs mounted. Its standard output is `logs/init.log`.
import { existsSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { Server } from 'node:net'
import { realClock } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { warmThreadPool } from '@weft/netlink'
import { serveControl } from './control/server.ts'
import { messageOf, SandboxError } from './errors.ts'
import { type StateFolder, stateFolder } from './host/state-folder.ts'
import { startCluster } from './inside/cluster.ts'
import type { FromInit, InitOptions, ToInit } from './launch-protocol.ts'

const logger = pinoLogger({ name: 'sandbox', level: process.env['WEFT_SANDBOX_LOG'] ?? 'info' })
const folderCheckMs = 2000
const flushAfterMs = 5000
const ended = new AbortController()
let released = false

function tell(message: FromInit): void {
  if (process.connected) process.send!(message)
}

/** With this process everything ends: `sh` as PID 1 follows it, and the kernel ends the rest. */
function end(code: number): never {
  ended.abort()
  process.exit(code)
}

async function main(options: InitOptions, listener: Server): Promise<void> {
  const folder = stateFolder(options.stateDir)
  const report = (message: string): void => tell({ kind: 'progress', message })
  const cluster = await startCluster({ options, listener, report, clock: realClock, logger, signal: ended.signal })
  const close = await serveControl(folder.controlSocket, {
    ...cluster.control,
    shutdown: () => {
      close()
      end(0)
    },
  })
  await cluster.ready
  logger.info({}, 'sandbox ready')
  tell({ kind: 'ready' })
  watchFolder(folder)
  // This process is killed, never ended: without this the next start would compile everything anew.
  setTimeout(flushCompileCache, flushAfterMs).unref()
}

/** Without its state folder nobody could ever stop the sandbox: it ends by itself. */
function watchFolder({ stateFile }: StateFolder): void {
  setInterval(() => {
    if (existsSync(stateFile)) return
    logger.warn({ stateFile }, 'the state folder was removed, the sandbox ends')
    end(0)
  }, folderCheckMs).unref()
}

// A fault in one corner is told and survived: with this process every pod of the cluster would end.
process.on('uncaughtException', (error) => {
  logger.error({ message: messageOf(error), stack: error.stack }, 'uncaught fault')
})

process.on('disconnect', () => {
  if (!released) end(0)
})
// Whoever started it died before this line was reached.
if (process.send !== undefined && !process.connected) end(0)

process.on('message', (message: ToInit, handle: unknown) => {
  switch (message.kind) {
    case 'start':
      if (!(handle instanceof Server)) throw new TypeError('Cannot serve control socket: the listener did not travel with the message')
      main(message.options, handle).catch((error: unknown) => {
        logger.error({ message: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'sandbox failed to start')
        const code = error instanceof SandboxError ? error.code : 'ERR_SANDBOX_START'
        tell({ kind: 'failed', code, message: error instanceof SandboxError ? error.message : `Cannot start the sandbox: ${messageOf(error)}` })
      })
      break
    case 'release':
      released = true
      tell({ kind: 'released' })
      break
    default:
      message satisfies never
  }
})

// libuv's threads belong in this namespace, before any worker enters another (README.md of netlink).
await warmThreadPool()
tell({ kind: 'listening' })
