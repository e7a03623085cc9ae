import { lstat, unlink } from 'node:fs/promises'
import type { RequestListener, Server } from 'node:http'
import { connect } from 'node:net'
import { AdminError } from './admin-error.ts'

// A static import reads every export of node:http, and with them loads Node's fetch and WebSocket: 40 ms of each program's start.
const { createServer } = process.getBuiltinModule('node:http')

/** A unix socket or a TCP address; port 0 lets the kernel choose. */
export type AdminListen = { readonly path: string } | { readonly host: string, readonly port: number }

export interface AdminServer extends AsyncDisposable {
  /** Where it listens, with the port the kernel chose. */
  readonly listen: AdminListen
}

// Nobody may hold a connection open for nothing, nor take them all (CVE-2023-41378).
const headersTimeoutMs = 5000
const requestTimeoutMs = 10_000
/** Each server looks that often at its connections, also when it has none: it wakes an idle program. */
const connectionsCheckingInterval = 10_000
const maxConnections = 64

/**
 * An HTTP/1.1 server for operators and probes: few connections, none of which may idle. A unix socket has mode 0600 from its
 * first moment, and replaces the one a killed process left behind.
 *
 * @param handle Answers every request; it must not throw.
 * @throws {AdminError} ERR_ADMIN_LISTEN when it cannot listen there, e.g. because another process does.
 */
export async function serveHttp(listen: AdminListen, handle: RequestListener): Promise<AdminServer> {
  const unix = 'path' in listen
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs, connectionsCheckingInterval }, handle)
  server.maxConnections = maxConnections
  if (unix) await removeStaleSocket(listen.path)
  try {
    await listenOn(server, listen)
  } catch (error) {
    throw new AdminError(nameOf(listen), (error as Error).message, { cause: error })
  }
  const address = server.address()
  return {
    listen: typeof address === 'object' && address !== null && !unix ? { host: listen.host, port: address.port } : listen,
    async [Symbol.asyncDispose]() {
      // Closing removes the socket file too.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function listenOn(server: Server, listen: AdminListen): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (!('path' in listen)) {
      server.listen(listen, resolve)
      return
    }
    // bind(2) happens inside listen(): with this mask there is no moment in which others may connect, as there is before a chmod.
    const mask = process.umask(0o177)
    try {
      server.listen(listen.path, resolve)
    } finally {
      process.umask(mask)
    }
  })
}

/** A socket file nobody answers at belonged to a process that was killed; anything else is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const file = await lstat(path).catch(() => undefined)
  if (file === undefined) return
  if (!file.isSocket()) throw new AdminError(path, 'a file that is no socket is there, wanted a free path')
  if (await isAnswered(path)) throw new AdminError(path, 'another process answers there, wanted a free path')
  await unlink(path).catch(() => undefined)
}

async function isAnswered(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function nameOf(listen: AdminListen): string {
  return 'path' in listen ? listen.path : `${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`
}
