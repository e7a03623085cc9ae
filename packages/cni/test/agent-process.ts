/** A node whose agent is a process of its own, to be killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@weft/daemon'
import type { TestNamespace } from '@weft/netlink/testing'
import { installPlugin, type InstalledPlugin, type PluginOutput } from '@weft/plugin/testing'
import type { ShimProgram } from '@weft/plugin'
import { networkConfig, prepareNode } from './node-fixture.ts'

const child = new URL('agent-child.ts', import.meta.url).pathname

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return 'State: X'
  }
}

export class AgentProcess implements AsyncDisposable {
  readonly folder: string
  readonly node: TestNamespace
  readonly #plugin: InstalledPlugin
  #agent: ChildProcess | undefined

  private constructor(folder: string, node: TestNamespace, plugin: InstalledPlugin) {
    this.folder = folder
    this.node = node
    this.#plugin = plugin
  }

  static async create(program: ShimProgram): Promise<AgentProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-crash-'))
    const created = new AgentProcess(folder, await prepareNode(), await installPlugin(folder, program))
    await created.start()
    return created
  }

  get pid(): number {
    return this.#agent!.pid!
  }

  /** Whether it runs; a zombie that is still to be heard of does not. */
  get alive(): boolean {
    return this.#known && !/^State:\s+[ZX]/m.test(readIfThere(`/proc/${this.pid}/status`))
  }

  /** Whether its end was not heard of yet. */
  get #known(): boolean {
    return this.#agent !== undefined && this.#agent.exitCode === null && this.#agent.signalCode === null
  }

  /** Does nothing if it is there. */
  async start(): Promise<void> {
    if (this.alive) return
    await this.ended()
    // NET_ADMIN alone: no right to enter a pod's namespace (C12).
    const agent = spawn('nsenter', [`--net=${this.node.path}`, 'setpriv', '--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs', process.execPath, '-C', 'dev', child, this.folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#agent = agent
    await Promise.race([new Promise((resolve) => agent.stdout.once('data', resolve)), new Promise((_, reject) => agent.once('close', () => reject(new Error('the agent ended'))))])
  }

  async kill(): Promise<void> {
    if (!this.#known) return
    this.#agent!.kill('SIGKILL')
    await this.ended()
  }

  /** Resolves when it is dead, whoever killed it. */
  async ended(): Promise<void> {
    if (this.#known) await new Promise((resolve) => this.#agent!.once('close', resolve))
  }

  async call(command: string, containerId: string, netns: string, config: Readonly<Record<string, unknown>> = {}): Promise<PluginOutput> {
    return await this.#plugin.run({ netns: this.node.path, environment: { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: 'eth0' }, stdin: networkConfig(config) })
  }

  /**
   * Has strace watch the agent's threads.
   *
   * @returns Ends the watching; resolves when it is over.
   */
  async trace(options: readonly string[]): Promise<() => Promise<void>> {
    const strace = spawn('strace', ['-f', '-p', String(this.pid), ...options], { stdio: ['ignore', 'ignore', 'pipe'] })
    const over = new Promise<void>((resolve) => strace.once('close', () => resolve()))
    // It says so once, for all threads.
    await Promise.race([new Promise((resolve) => strace.stderr.once('data', resolve)), over])
    return async () => {
      // Now and then it waits for ever for a thread that is dead; then it has nothing to put back either.
      strace.kill('SIGINT')
      await Promise.race([over, realClock.sleep(1000)])
      strace.kill('SIGKILL')
      await over
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await this.node[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }
}
