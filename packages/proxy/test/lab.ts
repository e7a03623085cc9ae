/** A node in a namespace, pods behind it, and a client outside of the cluster. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { parseCidr, parseInterfaceAddress, parseIp } from '@weft/ip'
import { Conntrack, writeSysctls } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import type { Question } from './ask.ts'

/** Everything that has an address: the node's end and its own, which is also the other's gateway. */
const places = {
  client: [['10.244.0.8', '10.244.0.9'], ['fd00:10:244::8', 'fd00:10:244::9']],
  b1: [['10.244.0.4', '10.244.0.5'], ['fd00:10:244::4', 'fd00:10:244::5']],
  b2: [['10.244.1.6', '10.244.1.7'], ['fd00:10:244:1::6', 'fd00:10:244:1::7']],
} as const
type Pod = keyof typeof places
/** Children compile what others compiled before from here. */
const compiled = join(import.meta.dirname, '../../../.weft/compiled')

export class Lab implements AsyncDisposable {
  readonly node: TestNamespace
  readonly nft: NftSocket
  readonly flows: Conntrack
  readonly #namespaces: Readonly<Record<Pod | 'outside', TestNamespace>>
  readonly #children: ChildProcess[] = []

  private constructor(node: TestNamespace, namespaces: Lab['all'], kernel: { readonly nft: NftSocket, readonly flows: Conntrack }) {
    this.node = node
    this.#namespaces = namespaces
    this.nft = kernel.nft
    this.flows = kernel.flows
  }

  get all(): Readonly<Record<Pod | 'outside', TestNamespace>> {
    return this.#namespaces
  }

  static async create(): Promise<Lab> {
    const node = await TestNamespace.create()
    const [client, b1, b2, outside] = [await TestNamespace.create(), await TestNamespace.create(), await TestNamespace.create(), await TestNamespace.create()]
    const namespaces = { client, b1, b2, outside }
    // Else the first packets wait for the links' own addresses to be found unique.
    for (const { path } of [node, ...Object.values(namespaces)]) await writeSysctls(path, { 'net.ipv6.conf.all.accept_dad': '0', 'net.ipv6.conf.default.accept_dad': '0' })
    await writeSysctls(node.path, { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' })
    for (const [name, families] of Object.entries(places) as [Pod, typeof places[Pod]][]) {
      const end = (which: 0 | 1) => families.map((pair) => parseInterfaceAddress(`${pair[which]}/${pair[which].includes(':') ? 127 : 31}`))
      TestNamespace.connect(node, { name, addresses: end(0) }, namespaces[name], { name: 'eth0', addresses: end(1) })
      for (const [gateway] of families) namespaces[name].route.addRoute({ destination: parseCidr(gateway.includes(':') ? '::/0' : '0.0.0.0/0'), via: parseIp(gateway) })
    }
    TestNamespace.connect(
      node, { name: 'uplink', addresses: ['172.30.1.11/24', 'fd00:172:30:1::11/64'].map(parseInterfaceAddress) },
      outside, { name: 'eth0', addresses: ['172.30.1.99/24', 'fd00:172:30:1::99/64'].map(parseInterfaceAddress) },
    )
    // It knows the way to Services, and none to pods: what comes back from them unchanged is lost.
    for (const range of ['10.96.0.0/16', '203.0.113.0/24']) outside.route.addRoute({ destination: parseCidr(range), via: parseIp('172.30.1.11') })
    for (const range of ['fd00:10:96::/112', '2001:db8:cb00:71::/64']) outside.route.addRoute({ destination: parseCidr(range), via: parseIp('fd00:172:30:1::11') })
    node.route.addRoute({ destination: parseCidr('0.0.0.0/0'), via: parseIp('172.30.1.99') })
    node.route.addRoute({ destination: parseCidr('::/0'), via: parseIp('fd00:172:30:1::99') })
    return new Lab(node, namespaces, { nft: await NftSocket.open({ netns: node.path }), flows: await Conntrack.open({ netns: node.path }) })
  }

  /** Starts an echo server; places are `tcp|address|port`. */
  async serve(where: Pod | 'node', name: string, addresses: readonly string[]): Promise<void> {
    const child = this.spawn(where, 'echo-server.ts', [name, ...addresses])
    await once(child.stdout!, 'data')
  }

  /** Starts a script of this folder; with `input`, one that is told when to end. */
  spawn(where: Pod | 'outside' | 'node', script: string, args: readonly string[], { input = false }: { readonly input?: boolean } = {}): ChildProcess {
    const { path } = where === 'node' ? this.node : this.#namespaces[where]
    const child = spawn('nsenter', [`--net=${path}`, process.execPath, '--conditions=dev', resolve(import.meta.dirname, script), ...args], { stdio: [input ? 'pipe' : 'ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_COMPILE_CACHE: compiled } })
    this.#children.push(child)
    return child
  }

  /** Answers, in order. */
  ask(from: Pod | 'outside' | 'node', question: Question): readonly string[] {
    return this.#askAny(from, question) as readonly string[]
  }

  /** Answers to several questions that are asked at once. */
  askAll(from: Pod | 'outside' | 'node', questions: readonly Question[]): readonly (readonly string[])[] {
    return this.#askAny(from, questions) as readonly (readonly string[])[]
  }

  #askAny(from: Pod | 'outside' | 'node', asked: Question | readonly Question[]): unknown {
    const namespace = from === 'node' ? this.node : this.#namespaces[from]
    return JSON.parse(namespace.exec(process.execPath, ['--conditions=dev', join(import.meta.dirname, 'ask.ts'), JSON.stringify(asked)]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    this.nft[Symbol.dispose]()
    this.flows[Symbol.dispose]()
    for (const namespace of [this.node, ...Object.values(this.#namespaces)]) await namespace[Symbol.asyncDispose]()
  }
}
