import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'

export interface LogReadOptions {
  /** Only the last lines. @default all */
  readonly tail?: number | undefined
  /** Only lines from then on (container logs). */
  readonly since?: Date | undefined
  /** Keeps the time before every line (container logs). @default false */
  readonly timestamps?: boolean | undefined
  /** Goes on with new lines until the log is closed or the signal aborts. @default false */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface BoundedLogOptions {
  /** `cri` puts time and stream before each line, as container runtimes do; `plain` writes lines as they come. */
  readonly format: 'cri' | 'plain'
  /** When a file gets longer it becomes `<path>.1`, and the one before is dropped. @default 1 MiB */
  readonly maxBytes?: number | undefined
}

type Stream = 'stdout' | 'stderr'

/** A log file that never takes more than twice its bound. */
export class BoundedLog {
  readonly #path: string
  readonly #format: 'cri' | 'plain'
  readonly #maxBytes: number
  readonly #partial: Record<Stream, string> = { stdout: '', stderr: '' }
  readonly #followers = new Set<(line: string | undefined) => void>()
  #file: number
  #size: number

  constructor(path: string, { format, maxBytes = 1 << 20 }: BoundedLogOptions) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.#path = path
    this.#format = format
    this.#maxBytes = maxBytes
    this.#file = openSync(path, 'a', 0o600)
    this.#size = statSync(path).size
  }

  /** Takes all output of a stream. */
  take(stream: Stream, source: Readable | null): void {
    source?.setEncoding('utf8')
    source?.on('data', (text: string) => this.write(stream, text))
    source?.on('close', () => {
      if (this.#partial[stream] !== '') this.write(stream, '\n')
    })
  }

  write(stream: Stream, text: string): void {
    const lines = (this.#partial[stream] + text).split('\n')
    this.#partial[stream] = lines.pop() ?? ''
    if (lines.length === 0) return
    const time = new Date().toISOString().replace('Z', '000000Z')
    const formatted = this.#format === 'plain' ? lines : lines.map((line) => `${time} ${stream} F ${line}`)
    const bytes = Buffer.from(`${formatted.join('\n')}\n`)
    if (this.#size > 0 && this.#size + bytes.byteLength > this.#maxBytes) this.#rotate()
    // A full disk costs the lines, not the sandbox.
    try {
      writeSync(this.#file, bytes)
      this.#size += bytes.byteLength
    } catch {
      return
    }
    for (const follower of this.#followers) for (const line of formatted) follower(line)
  }

  close(): void {
    closeSync(this.#file)
    for (const follower of this.#followers) follower(undefined)
    this.#followers.clear()
  }

  /** Present and, with `follow`, future lines. */
  async* read(options: LogReadOptions = {}): AsyncIterable<string> {
    const waiting: (string | undefined)[] = []
    let wake = Promise.withResolvers<void>()
    const onLine = (line: string | undefined): void => {
      waiting.push(line)
      wake.resolve()
    }
    const onAbort = (): void => onLine(undefined)
    if (options.follow === true) {
      this.#followers.add(onLine)
      options.signal?.addEventListener('abort', onAbort, { once: true })
    }
    try {
      yield readLog(this.#path, options)
      while (options.follow === true && options.signal?.aborted !== true) {
        await wake.promise
        wake = Promise.withResolvers<void>()
        for (const line of waiting.splice(0)) {
          if (line === undefined) return
          yield `${strip(line, options)}\n`
        }
      }
    } finally {
      this.#followers.delete(onLine)
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  #rotate(): void {
    closeSync(this.#file)
    renameSync(this.#path, `${this.#path}.1`)
    this.#file = openSync(this.#path, 'a', 0o600)
    this.#size = 0
  }
}

/** Reads a log that may have no writer any more. @returns Text, empty when there is none. */
export function readLog(path: string, options: LogReadOptions = {}): string {
  const lines = [`${path}.1`, path].flatMap((file) => {
    try {
      return readFileSync(file, 'utf8').split('\n').slice(0, -1)
    } catch {
      return []
    }
  }).filter((line) => options.since === undefined || line.slice(0, 23) >= options.since.toISOString().slice(0, 23))
  const wanted = options.tail === undefined ? lines : lines.slice(Math.max(0, lines.length - options.tail))
  return wanted.map((line) => `${strip(line, options)}\n`).join('')
}

function strip(line: string, { timestamps }: LogReadOptions): string {
  const match = /^(\S+Z) (?:stdout|stderr) [FP] (.*)$/s.exec(line)
  if (match === null) return line
  return timestamps === true ? `${match[1]} ${match[2]}` : match[2]!
}
