import type { ExecOptions, LogOptions, PodRuntime } from '../apiserver/index.ts'
import { readLog } from '../inside/bounded-log.ts'
import type { PodInstance } from './pod-instance.ts'
import type { NodeRunner } from './node-runner.ts'

/** What the API server asks for `kubectl logs` and `kubectl exec`, answered by the runners in the same process. */
export class RunnersPodRuntime implements PodRuntime {
  readonly #runners: () => Iterable<NodeRunner>

  constructor(runners: () => Iterable<NodeRunner>) {
    this.#runners = runners
  }

  /** @throws {RangeError} If no node runs such a pod. */
  pod(namespace: string, name: string): PodInstance {
    for (const runner of this.#runners()) {
      const pod = runner.pod(namespace, name)
      if (pod !== undefined) return pod
    }
    const elsewhere = [...this.#runners()].flatMap((runner) => runner.namespacesOf(name)).sort()
    const hint = elsewhere.length === 0 ? '' : `; one of this name runs in ${elsewhere.join(', ')}: did you mean -n ${elsewhere[0]}?`
    throw new RangeError(`Cannot find pod "${namespace}/${name}": it runs on no node${hint}`)
  }

  async* logs(namespace: string, name: string, container: string | undefined, options: LogOptions): AsyncIterable<Uint8Array> {
    const unit = this.pod(namespace, name).container(container)
    const read = {
      tail: options.tailLines,
      timestamps: options.timestamps,
      since: options.sinceSeconds === undefined ? undefined : new Date(Date.now() - options.sinceSeconds * 1000),
      follow: options.follow,
      signal: options.signal,
    }
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY
    const texts = unit.log === undefined || options.previous ? [readLog(unit.logPath(options.previous), read)] : unit.log.read(read)
    for await (const text of texts) {
      const bytes = Buffer.from(text)
      yield bytes.subarray(0, left)
      left -= bytes.byteLength
      if (left <= 0) return
    }
  }

  async exec(namespace: string, name: string, container: string | undefined, options: ExecOptions): Promise<number> {
    const unit = this.pod(namespace, name).container(container)
    if (unit.process === undefined) throw new RangeError(`Cannot run a command in container "${unit.container.name}": it is not running`)
    const command = options.tty ? ['script', '-qefc', options.command.map(quote).join(' '), '/dev/null'] : options.command
    const spawned = unit.process.exec(command)
    const { process: child } = spawned
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    child.stdout?.on('data', (bytes: Buffer) => options.stdout(bytes))
    child.stderr?.on('data', (bytes: Buffer) => options.stderr(bytes))
    child.once('error', reject).once('close', (code) => resolve(code ?? 137))
    const onAbort = (): void => spawned.kill()
    options.signal.addEventListener('abort', onAbort, { once: true })
    child.stdin?.on('error', () => undefined)
    if (options.stdin === undefined) child.stdin?.end()
    else void feed(options.stdin, child.stdin!)
    return await promise.finally(() => options.signal.removeEventListener('abort', onAbort))
  }
}

async function feed(source: AsyncIterable<Uint8Array>, sink: NodeJS.WritableStream): Promise<void> {
  try {
    for await (const chunk of source) sink.write(chunk)
    sink.end()
  } catch {
    // The client went away; the command ends by its own.
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
