/**
 * The shim in TypeScript: the reference of `shim/weft-cni.c` and what runs where there is no C compiler. It must stay
 * thin (no schema library, no logger): every pod start waits for its imports.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NetlinkError, openInNetns, sendWithFds } from '@weft/netlink'
import { CniError } from './cni-error.ts'
import { decodeReply, encodeCall, netnsErrorEntry } from './frame.ts'
import { readReason } from './reason.ts'
import type { ShimSettings } from './shim-settings.ts'
import { writeSpool } from './spool.ts'
import { cniVersions } from './version.ts'
import { messageOf } from '@weft/daemon/message-of'

const maxStdin = 1 << 20
const connectMs = 1500
const statusMs = 15_000
const connectPauseMs = 50
const replyMs = 30_000
const environmentNames = ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_PATH']
const commands = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC']

export interface TwinInput {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Read only if the command has a configuration. */
  readonly stdin: AsyncIterable<Uint8Array>
  readonly settings: ShimSettings
}

export interface TwinOutput {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** One call of the plugin, from its environment to its output. */
export async function runShimTwin(input: TwinInput): Promise<TwinOutput> {
  try {
    return await carryOut(input)
  } catch (error) {
    const { cniCode, message } = error instanceof CniError ? error : new CniError('ERR_CNI_INTERNAL', String(error))
    return { exitCode: 1, stdout: `${JSON.stringify({ cniVersion: '1.1.0', code: cniCode, msg: message })}\n`, stderr: '' }
  }
}

async function carryOut({ environment, stdin, settings }: TwinInput): Promise<TwinOutput> {
  const command = environment['CNI_COMMAND'] ?? ''
  if (command === '') return { exitCode: 0, stdout: '', stderr: `Weft CNI plugin; CNI protocol versions supported: ${cniVersions.join(', ')}\n` }
  if (command === 'VERSION') return { exitCode: 0, stdout: `${JSON.stringify({ cniVersion: '1.1.0', supportedVersions: cniVersions })}\n`, stderr: '' }
  if (!commands.includes(command)) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `unknown CNI_COMMAND: ${command}`)

  // As `performance.now()`, which counts from the start of the process: the imports are the runtime's time too.
  const deadline = patienceMs(command, settings)
  const entries = new Map<string, string>()
  for (const name of environmentNames) if (environment[name] !== undefined) entries.set(name, environment[name])
  const fds = await openPod(command, environment['CNI_NETNS'] ?? '', entries)
  const call = encodeCall({ environment: entries, stdin: await readAll(stdin) })
  const reply = await ask(settings.socketPath, { call, fds, deadline })
  for (const fd of fds) closeSync(fd)
  if (reply !== undefined) return { ...decodeReply(reply), stderr: '' }
  if (command === 'DEL') {
    spool(settings.spoolPath, call)
    return { exitCode: 0, stdout: '', stderr: '' }
  }
  const code = command === 'STATUS' ? 'ERR_CNI_NOT_AVAILABLE' : 'ERR_CNI_TRY_AGAIN'
  const why = readReason(settings.socketPath)
  if (why !== '') throw new CniError(code, `Cannot attach pods: ${why}`)
  throw new CniError(code, `Cannot reach the agent at "${settings.socketPath}": it does not answer, wanted the weft agent of this node`)
}

/**
 * How long an agent that restarts is waited for. STATUS waits longest: a runtime that hears 50 makes the node NotReady, which takes
 * all its pods out of their Services, though their traffic flows. Not before the first agent since the machine started, whose
 * folder is below /run: kubelet starts no pod, and so no agent, until it has the first answer.
 */
function patienceMs(command: string, { socketPath }: ShimSettings): number {
  // It has an answer of its own.
  if (command === 'DEL') return 0
  if (command !== 'STATUS') return connectMs
  return existsSync(dirname(socketPath)) ? statusMs : 0
}

/** A rtnetlink socket inside the pod's namespace, and the namespace; on failure none, and an entry that says why. */
async function openPod(command: string, netns: string, entries: Map<string, string>): Promise<readonly number[]> {
  if (netns === '' || !['ADD', 'DEL', 'CHECK'].includes(command)) return []
  let namespace: number | undefined
  try {
    namespace = openSync(netns, 'r')
    return [await openInNetns(netns, 'route'), namespace]
  } catch (error) {
    if (namespace !== undefined) closeSync(namespace)
    const errno = error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : 0
    entries.set(netnsErrorEntry, `${errno} ${messageOf(error)}`)
    return []
  }
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of stdin) {
      size += part.length
      if (size > maxStdin) throw new CniError('ERR_CNI_DECODE', `Cannot read network configuration: it has more than ${maxStdin} bytes`)
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof CniError) throw error
    throw new CniError('ERR_CNI_IO', `Cannot read network configuration: ${messageOf(error)}`, { cause: error })
  }
  return Buffer.concat(parts)
}

interface Question {
  readonly call: Buffer
  readonly fds: readonly number[]
  /** Of the last attempt to connect, as `performance.now()`. */
  readonly deadline: number
}

/** @returns Undefined if the agent is away or does not answer. */
async function ask(socketPath: string, { call, fds, deadline }: Question): Promise<Buffer | undefined> {
  for (;;) {
    try {
      const { data, fds: unasked } = await sendWithFds(socketPath, call, { fds, signal: AbortSignal.timeout(replyMs) })
      for (const fd of unasked) closeSync(fd)
      return Buffer.from(data)
    } catch (error) {
      const refused = error instanceof NetlinkError && ['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes(error.code)
      if (!refused || performance.now() + connectPauseMs > deadline) return undefined
      await sleep(connectPauseMs)
    }
  }
}

function spool(folder: string, call: Buffer): void {
  try {
    writeSpool(folder, `${Math.trunc(performance.timeOrigin + performance.now())}000000-${process.pid}`, call)
  } catch (error) {
    throw new CniError('ERR_CNI_TRY_AGAIN', `Cannot spool DEL in "${folder}": ${messageOf(error)}`, { cause: error })
  }
}
