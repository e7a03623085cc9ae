import { readFileSync, statSync } from 'node:fs'
import type { buildConnector } from 'undici'
// Its parts for plain requests: the whole of undici (fetch, WebSockets, caches, mocks) costs every program 15 MB more.
import createTcpConnector from 'undici/lib/core/connect.js'
import { KubeError } from './errors.ts'

/** What to trust and what to show; each as PEM text or as a file that may be replaced at any time. */
export interface TlsOptions {
  readonly ca?: string | undefined
  readonly caFile?: string | undefined
  readonly cert?: string | undefined
  readonly certFile?: string | undefined
  readonly key?: string | undefined
  readonly keyFile?: string | undefined
  /** The name the server's certificate must carry, when it is not the one in the address. */
  readonly tlsServerName?: string | undefined
  /** Trusts any certificate. Only for a kubeconfig that says so. @default false */
  readonly insecureSkipTlsVerify?: boolean | undefined
}

/**
 * An idle watch sends nothing, so a partition shows only in TCP keep-alive: first probe after this,
 * then libuv's ten probes a second apart. A dead server is noticed within half a minute without one
 * HTTP request of overhead.
 */
const keepAliveMs = 15_000

/**
 * Opens connections with the certificates as they are on disk now: files are looked at again (by
 * modification time) at every new connection.
 *
 * @throws {KubeError} `ERR_KUBE_CONFIG` from the connector when a file cannot be read.
 */
export function createConnector(options: TlsOptions, connectTimeoutMs: number): buildConnector.connector {
  const files = [options.caFile, options.certFile, options.keyFile].filter((file) => file !== undefined)
  let stamp: string | undefined
  let connect: buildConnector.connector | undefined
  return (target, callback) => {
    try {
      const now = files.map((file) => statSync(file).mtimeMs).join()
      if (connect === undefined || now !== stamp) {
        connect = build(options, connectTimeoutMs)
        stamp = now
      }
    } catch (error) {
      if (connect === undefined) return callback(new KubeError('ERR_KUBE_CONFIG', `Cannot read certificates "${files.join(', ')}": they must exist and be readable`, { cause: error }), null)
      // Files are being swapped: the certificates we know are the best guess.
    }
    connect(options.tlsServerName === undefined ? target : { ...target, servername: options.tlsServerName }, callback)
  }
}

function build(options: TlsOptions, timeout: number): buildConnector.connector {
  const ca = options.ca ?? read(options.caFile)
  const cert = options.cert ?? read(options.certFile)
  const key = options.key ?? read(options.keyFile)
  return createTcpConnector({
    timeout,
    keepAliveInitialDelay: keepAliveMs,
    // HTTP/1.1: one connection per watch, so that one slow reader never stalls the others.
    allowH2: false,
    // A session would be resumed with the certificates of before.
    maxCachedSessions: 0,
    rejectUnauthorized: options.insecureSkipTlsVerify !== true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
}

function read(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readFileSync(file, 'utf8')
}
