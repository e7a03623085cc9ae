import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { SandboxClient } from '../control/client.ts'
import { SandboxError, messageOf } from '../errors.ts'
import type { ForeignCni, FromInit, ProgramConfigs, ToInit } from '../launch-protocol.ts'
import { cniPlugin } from '../program-files.ts'
import { type AddressFamilies, planTopology } from '../underlay/topology.ts'
import { type Launched, launch } from './launch.ts'
import { requireMachine } from './machine.ts'
import { groupOf, identifyProcess, killProcess, waitUntilGone } from './process-identity.ts'
import { type KeptCluster, readKept, resumable, writeKept } from './kept-cluster.ts'
import { clearStateFolder, removeCluster, stateFolder, type StateFolder } from './state-folder.ts'
import { claimStateFolder, type SandboxState, writeState } from './state-file.ts'
import { stopSandbox } from './stop.ts'

export interface StartOptions {
  /** Folder of this sandbox; made if absent. One sandbox per folder. */
  readonly stateDir: string
  /** @default those of the cluster that is kept in the folder, else 3 */
  readonly nodes?: number | undefined
  /** @default that of the cluster that is kept in the folder, else 'dual' */
  readonly family?: AddressFamilies | undefined
  /** Port of the API server on 127.0.0.1; 0 takes a free one. @default that of the kept cluster if it is free, else 0 */
  readonly port?: number | undefined
  /** Aborting before it is ready leaves nothing. */
  readonly signal?: AbortSignal | undefined
  /** One line per step, fit for a terminal. */
  readonly onProgress?: ((message: string) => void) | undefined
  /** Ends the sandbox together with this process, for tests. @default false: it stays until {@link stopSandbox} */
  readonly attached?: boolean | undefined
  /** Runs the nodes with another network plugin instead of Weft. */
  readonly cni?: ForeignCni | undefined
  /** Settings of agent, DNS and controller that differ from the sandbox's own. */
  readonly programs?: ProgramConfigs | undefined
}

/** A running sandbox. */
export interface SandboxHandle extends AsyncDisposable {
  readonly stateDir: string
  readonly kubeconfigPath: string
  /** `https://127.0.0.1:<port>` */
  readonly server: string
  readonly nodes: readonly string[]
  /** It went on with the objects of a cluster that died or was kept. */
  readonly resumed: boolean
  readonly client: SandboxClient
  /** What the user should know of this machine, one sentence each. */
  readonly notes: readonly string[]
  stop(): Promise<void>
}

/**
 * Starts a cluster and resolves when its nodes are Ready.
 *
 * A cluster that died, or was stopped to be kept, goes on with its objects; pods are started again, as after a reboot of
 * their nodes. The sandbox outlives this process unless `attached`. Until it is ready, the death of this process ends it.
 *
 * @throws {SandboxError} `ERR_SANDBOX_UNSUPPORTED` when the machine does not allow it, `ERR_SANDBOX_RUNNING` when the
 *   folder has one already, `ERR_SANDBOX_KEPT` when it has one of another shape, `ERR_SANDBOX_START` when it failed on the way; nothing is left then.
 */
export async function startSandbox(options: StartOptions): Promise<SandboxHandle> {
  const { signal } = options
  const folder = stateFolder(options.stateDir)
  const { family = 'dual', nodes: nodeCount = 3 } = { ...readKept(folder), ...definedOf(options) }
  const nodes = planTopology(nodeCount, family).nodes.map((node) => node.name)
  signal?.throwIfAborted()
  requireMachine()

  mkdirSync(folder.root, { recursive: true, mode: 0o700 })
  chmodSync(folder.root, 0o700)
  const [listener, plugin] = await Promise.all([listenOn(options.port, readKept(folder)?.port), cniPlugin(join(dirname(folder.root), 'shim'))])
  const port = portOf(listener)
  const server = `https://127.0.0.1:${port}`
  const claim: SandboxState = { phase: 'starting', launcher: identifyProcess(process.pid)!, nodes, family, server, startedAt: new Date().toISOString() }
  const present = claimStateFolder(folder, claim)
  if (present !== undefined) {
    listener.close()
    throw new SandboxError('ERR_SANDBOX_RUNNING', `Cannot start a sandbox in "${folder.root}": one is ${present.phase === 'ready' ? 'running' : 'being started'} there since ${present.startedAt}; \`./weft status\` looks at it, \`./weft down\` stops it`)
  }

  let launched: Launched | undefined
  let kept: KeptCluster | undefined
  try {
    kept = resumable(folder, options)
    rmSync(folder.logs, { recursive: true, force: true })
    for (const dir of [folder.logs, folder.run, folder.cluster]) mkdirSync(dir, { recursive: true, mode: 0o700 })
    launched = launch(folder)
    writeState(folder, { ...claim, unshare: launched.unshare })
    await converse(launched, listener, { folder, options, message: { kind: 'start', options: { stateDir: folder.root, nodeCount, family, server, cni: options.cni, programs: options.programs, plugin: plugin.kind === 'binary' ? plugin.path : 'twin' } } })
    writeKept(folder, { nodes: nodeCount, family, port })
    writeState(folder, { ...claim, phase: 'ready', unshare: launched.unshare, init: launched.init() })
  } catch (error) {
    // The next start may want the same port.
    await new Promise((resolve) => listener.close(resolve))
    if (launched !== undefined) await kill(launched)
    clearStateFolder(folder)
    if (readKept(folder) === undefined) removeCluster(folder)
    if (signal?.aborted === true) throw signal.reason
    throw error instanceof SandboxError ? error : new SandboxError('ERR_SANDBOX_START', `Cannot start the sandbox: ${messageOf(error)}`, { cause: error })
  }
  if (options.attached === true) launched.process.channel?.unref()
  else await release(launched)
  launched.process.unref()

  const stop = async (): Promise<void> => void (await stopSandbox(folder.root))
  const notes = plugin.kind === 'binary' ? [] : [`No C compiler here (${plugin.reason}): the TypeScript twin stands in for the CNI plugin, a little slower.`]
  return { notes, stateDir: folder.root, kubeconfigPath: folder.kubeconfig, server, nodes, resumed: kept !== undefined, client: new SandboxClient(folder.root), stop, [Symbol.asyncDispose]: stop }
}

interface Conversation {
  readonly folder: StateFolder
  readonly options: StartOptions
  readonly message: ToInit
}

/** Sends the listener in and reports progress until init says ready. */
function converse(launched: Launched, listener: Server, { folder, options, message }: Conversation): Promise<void> {
  const child = launched.process
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onMessage = (answer: FromInit): void => {
    switch (answer.kind) {
      case 'listening':
        // Both copies would accept: ours goes once the other side has its own.
        child.send(message, listener, () => listener.close())
        break
      case 'progress':
        options.onProgress?.(answer.message)
        break
      case 'ready':
        resolve()
        break
      case 'released':
        break
      case 'failed':
        reject(new SandboxError(answer.code, answer.message))
        break
      default:
        answer satisfies never
    }
  }
  const onExit = (code: number | null, signal: string | null): void =>
    reject(new SandboxError('ERR_SANDBOX_START', `Cannot start the sandbox: it ended ${signal === null ? `with code ${code ?? 'none'}` : `by ${signal}`}; ${lastLines(`${folder.logs}/init.log`)}`))
  const onError = (error: Error): void => reject(error)
  const onAbort = (): void => reject(options.signal?.reason)
  child.on('message', onMessage).on('exit', onExit).on('error', onError)
  options.signal?.addEventListener('abort', onAbort)
  if (options.signal?.aborted === true) onAbort()
  return promise.finally(() => {
    child.off('message', onMessage).off('exit', onExit).off('error', onError)
    // A killed child still reports broken pipes.
    child.on('error', () => undefined)
    options.signal?.removeEventListener('abort', onAbort)
  })
}

async function release(launched: Launched): Promise<void> {
  const child = launched.process
  const { promise, resolve } = Promise.withResolvers<void>()
  child.on('message', (answer: FromInit) => {
    if (answer.kind === 'released') resolve()
  })
  child.once('exit', () => resolve())
  child.send({ kind: 'release' } satisfies ToInit)
  await promise
  // By this side: `unshare` and `sh` hold the other end open too, it never looks closed from here.
  if (child.connected) child.disconnect()
}

async function kill({ unshare }: Launched): Promise<void> {
  const group = groupOf(unshare)
  killProcess(unshare)
  for (const identity of [...group, ...groupOf(unshare)]) await waitUntilGone(identity, 2000)
}

function definedOf({ nodes, family }: StartOptions): { nodes?: number, family?: AddressFamilies } {
  return { ...(nodes === undefined ? {} : { nodes }), ...(family === undefined ? {} : { family }) }
}

/** On the port asked for, else on the one it had before, else on a free one. */
async function listenOn(asked: number | undefined, before: number | undefined): Promise<Server> {
  if (asked !== undefined || before === undefined) return await listen(asked ?? 0)
  return await listen(before).catch(async () => await listen(0))
}

function listen(port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>()
  const server = createServer()
  server.once('error', (error) => reject(new SandboxError('ERR_SANDBOX_START', `Cannot listen on port "${port}" of 127.0.0.1: ${error.message}`, { cause: error })))
  server.listen(port, '127.0.0.1', () => resolve(server))
  return promise
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function lastLines(path: string): string {
  try {
    const lines = readFileSync(path, 'utf8').trim().split('\n').slice(-5)
    return lines.join('\n') === '' ? `its log ${path} is empty` : `the end of ${path}:\n${lines.join('\n')}`
  } catch {
    return `without a log in ${path}`
  }
}
