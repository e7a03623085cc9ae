/** A node whose kernel and disk are in memory, and whose agent can be killed between any two things it does to them. */
import { join } from 'node:path'
import { Allocator } from '@weft/allocator'
import { MemoryDisk } from '@weft/allocator/testing'
import { createRegistry } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { parseCidr } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { PluginServer, type PluginServerOptions } from '@weft/plugin'
import { type CallFrame, encodeCall, writeSpool } from '@weft/plugin/testing'
import { type Cni, createCni } from '../src/cni.ts'
import { cniConfigSchema } from '../src/config.ts'
import type { NetworkConfig } from '../src/network-config.ts'
import { FakeKernel } from './fake-kernel.ts'
import { nodeAddresses } from './node-fixture.ts'

/** One life of an agent: after so many things done to kernel and disk it is dead, and does nothing more. */
class Life {
  #left: number
  readonly #onDeath: () => void

  constructor(left: number, onDeath: () => void) {
    this.#left = left
    this.#onDeath = onDeath
  }

  get dead(): boolean {
    return this.#left <= 0
  }

  end(): void {
    this.#left = 0
    this.#onDeath()
  }

  /** Kills it before the so-manieth thing from now. */
  endAfter(steps: number): void {
    if (!this.dead) this.#left = steps
  }

  /** Every method of a port counts as one thing. */
  guard<T extends object>(port: T, methods: readonly string[]): T {
    return new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        const bound = (...args: readonly unknown[]): unknown => Reflect.apply(value, target, args)
        return typeof name === 'string' && methods.includes(name) ? (...args: readonly unknown[]) => this.#step(() => bound(...args)) : bound
      },
    })
  }

  #step<T>(act: () => T): T {
    if (this.dead) throw new Error('dead')
    this.#left -= 1
    if (this.dead) {
      this.end()
      throw new Error('killed')
    }
    return act()
  }
}

const kernelWrites = ['addLinkAsync', 'transact', 'transactAsync', 'deleteLink', 'deleteLinks', 'replaceAddress']

class QuietServer extends PluginServer<NetworkConfig> {
  readonly #signal: AbortSignal

  constructor(options: PluginServerOptions<NetworkConfig>) {
    super(options)
    this.#signal = options.signal
  }

  override run(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#signal.aborted) resolve()
      else this.#signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

export interface Reply {
  readonly code: number
  readonly message: string
  readonly ips: readonly string[]
}

export class SimulatedNode {
  readonly kernel: FakeKernel = new FakeKernel()
  readonly nft: FakeNft = new FakeNft()
  readonly disk: MemoryDisk = new MemoryDisk()
  readonly #spool: string
  readonly #range: string
  #agent: { readonly life: Life, readonly server: QuietServer, readonly allocator: Allocator, readonly cni: Cni, readonly stop: AbortController } | undefined

  constructor(folder: string, range: string) {
    this.#spool = join(folder, 'spool')
    this.#range = range
  }

  get alive(): boolean {
    return this.#agent !== undefined && !this.#agent.life.dead
  }

  get allocator(): Allocator {
    return this.#agent!.allocator
  }

  get cni(): Cni {
    return this.#agent!.cni
  }

  /** How often it was started. */
  life = 0

  async start(): Promise<void> {
    this.life += 1
    const stop = new AbortController()
    const life = new Life(Infinity, () => {
      this.disk.kill()
      stop.abort(new Error('dead'))
    })
    const registry = createRegistry()
    const clock = new ManualClock()
    const allocator = Allocator.on(life.guard(this.disk.open(), ['write']), { logger: silentLogger, registry })
    allocator.setRanges([parseCidr(this.#range)])
    let server: QuietServer | undefined
    const cni = createCni({
      config: cniConfigSchema.parse({ socketPath: '/nowhere', spoolPath: this.#spool, resync: '1h' }),
      ports: { address: allocator, cover: { ready: true, cover: () => Promise.resolve(), uncover: () => Promise.resolve() }, mtu: { podMtu: () => 1450 }, node: { addresses: () => nodeAddresses } },
      route: life.guard(this.kernel.at(FakeKernel.node), kernelWrites), nft: life.guard(this.nft, ['commit']), clock, logger: silentLogger, registry,
      door: { nodeNetnsFd: -1, open: ({ netns }) => ({ route: life.guard(this.kernel.at(netns), kernelWrites), path: netns, [Symbol.dispose]: () => undefined }), [Symbol.dispose]: () => undefined },
      serve: (options) => server = new QuietServer(options),
    })
    cni.run(stop.signal).catch(() => undefined)
    while (!cni.ready().waiting.every((what) => what === 'cni socket')) await turn()
    this.#agent = { life, allocator, cni, stop, server: server! }
  }

  /** As SIGKILL. */
  kill(): void {
    this.#agent?.life.end()
    this.#agent = undefined
  }

  /** It dies on its own, in the middle of what it does. */
  killAfter(steps: number): void {
    this.#agent?.life.endAfter(steps)
  }

  /** Behind the answers everything is done that can be done. */
  async settle(): Promise<void> {
    for (let left = 400; left > 0 && this.alive && this.allocator.attachments().some(({ state }) => state === 'releasing'); left -= 1) await turn()
    await turn()
  }

  /** @returns Undefined if nobody answered: the agent was away or died. */
  async call(command: string, containerId: string, config: Readonly<Record<string, unknown>> = {}): Promise<Reply | undefined> {
    const call: CallFrame = {
      environment: new Map(Object.entries({ CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: `/ns/${containerId}`, CNI_IFNAME: 'eth0' })),
      stdin: Buffer.from(JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...config })),
    }
    const agent = this.#agent
    const reply = agent === undefined || agent.life.dead ? undefined : await Promise.race([agent.server.handle(call, []), this.#death(agent.life)])
    if (reply !== undefined && agent?.life.dead === false) {
      reply.sent?.()
      const answer: { readonly code?: number, readonly msg?: string, readonly ips?: readonly { readonly address: string }[] } = reply.stdout === '' ? {} : JSON.parse(reply.stdout)
      return { code: answer.code ?? 0, message: answer.msg ?? '', ips: (answer.ips ?? []).map(({ address }) => address) }
    }
    // As the shim does.
    if (command !== 'DEL') return undefined
    this.#spooled += 1
    writeSpool(this.#spool, String(this.#spooled).padStart(6, '0'), encodeCall(call))
    return { code: 0, message: '', ips: [] }
  }

  #spooled = 0

  async #death(life: Life): Promise<undefined> {
    while (!life.dead) await turn()
    return undefined
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
