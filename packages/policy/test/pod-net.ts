import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cidrFrom, loopbackIfIndex, parseCidr, parseIp } from '@weft/ip'
import { ensureDone, requests, writeSysctls } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import type { PodCommand } from './pod-program.ts'

/** How long a packet may take that nothing holds up, in milliseconds; what has not come by then was dropped. */
const patienceMs = 250

/** A namespace with addresses of its own and a program in it that sends and listens. */
export class TestPod implements AsyncDisposable {
  readonly namespace: TestNamespace
  readonly ips: readonly [v4: string, v6: string]
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (result: unknown) => void>()
  #next = 0

  private constructor(namespace: TestNamespace, ips: TestPod['ips']) {
    this.namespace = namespace
    this.ips = ips
    this.#child = spawn('nsenter', [`--net=${namespace.path}`, process.execPath, join(import.meta.dirname, 'pod-program.ts')], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, result } = JSON.parse(line) as { readonly id: number, readonly result?: unknown }
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
  }

  static async start(namespace: TestNamespace, ips: TestPod['ips']): Promise<TestPod> {
    const pod = new TestPod(namespace, ips)
    await new Promise((resolve) => pod.#waiting.set(pod.#next, resolve))
    return pod
  }

  async run(command: PodCommand): Promise<unknown> {
    const id = ++this.#next
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve))
    this.#child.stdin!.write(`${JSON.stringify({ id, command })}\n`)
    return await answer
  }

  /** Whether a connection, or a datagram and its answer, come through. */
  async reaches(to: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<boolean> {
    return await this.run({ do: protocol, to, port, timeoutMs: patienceMs }) as boolean
  }

  async open(to: string, port: number): Promise<boolean> {
    return await this.run({ do: 'open', to, port, timeoutMs: patienceMs }) as boolean
  }

  async talk(): Promise<boolean> {
    return await this.run({ do: 'talk', timeoutMs: patienceMs }) as boolean
  }

  async pings(to: string): Promise<boolean> {
    return await this.namespace.echoes(to, { timeoutMs: patienceMs })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin!.end()
    await ended
  }
}

/** A node, and what is linked to it: pods wired as Weft does, and clients of the world outside. */
export interface NodeNet extends AsyncDisposable {
  readonly node: TestNamespace
  readonly host: TestPod
  /** @param link `weft…` for a pod, anything else for what is outside. */
  attach(link: string, ips: TestPod['ips']): Promise<TestPod>
  /** A program in a namespace without any link: what a pod is before it is wired. */
  unwired(ips: TestPod['ips']): Promise<TestPod>
}

/** A node with two pods and a client outside. */
export interface PodNet extends AsyncDisposable {
  readonly node: TestNamespace
  readonly host: TestPod
  readonly a: TestPod
  readonly b: TestPod
  readonly outside: TestPod
}

const gateways = [parseIp('169.254.1.1'), parseIp('fe80::1')] as const
const nodeIps = ['172.30.1.11', 'fd00:172:30:1::11'] as const

/** @param ports Where everybody listens, TCP and UDP. */
export async function createNodeNet(ports: readonly number[]): Promise<NodeNet> {
  const stack = new AsyncDisposableStack()
  const make = async (): Promise<TestNamespace> => stack.use(await TestNamespace.create())
  const node = await make()
  await writeSysctls(node.path, { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' })
  for (const ip of nodeIps) node.route.addAddress({ ifIndex: loopbackIfIndex, address: parseIp(ip), prefix: ip.includes(':') ? 128 : 32 })
  const host = stack.use(await TestPod.start(node, nodeIps))
  await Promise.all([...ports, 10_053].map((port) => host.run({ do: 'listen', port })))
  return {
    node, host,
    unwired: async (ips) => stack.use(await TestPod.start(await make(), ips)),
    async attach(link, ips) {
      const namespace = await make()
      wire(namespace, node, { link, ips })
      const pod = stack.use(await TestPod.start(namespace, ips))
      await Promise.all(ports.map((port) => pod.run({ do: 'listen', port })))
      return pod
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The link between a pod and its node: addresses and routes as weft-cni has them. */
export function wire(namespace: TestNamespace, node: TestNamespace, { link, ips }: { readonly link: string, readonly ips: TestPod['ips'] }): void {
  const hostEnd = { name: link, addresses: [{ address: gateways[0], prefix: 32 }, { address: gateways[1], prefix: 64 }] }
  const podEnd = { name: 'eth0', addresses: [{ address: parseIp(ips[0]), prefix: 32 }, { address: parseIp(ips[1]), prefix: 128 }] }
  const [podIndex, hostIndex] = TestNamespace.connect(namespace, podEnd, node, hostEnd)
  ensureDone(namespace.route.transact(gateways.map((via) => requests.addRoute({ destination: parseCidr(via.family === 4 ? '0.0.0.0/0' : '::/0'), via, ifIndex: podIndex, onlink: true }))))
  ensureDone(node.route.transact(ips.map((ip, at) => requests.addRoute({ destination: cidrFrom(parseIp(ip), at === 0 ? 32 : 128), ifIndex: hostIndex, source: parseIp(nodeIps[at]!) }))))
}

export async function createPodNet(ports: readonly number[]): Promise<PodNet> {
  const net = await createNodeNet(ports)
  const [a, b, outside] = [await net.attach('weft1', ['10.244.1.2', 'fd00:10:244:1::2']), await net.attach('weft2', ['10.244.1.3', 'fd00:10:244:1::3']), await net.attach('eth9', ['203.0.113.10', '2001:db8:113::10'])]
  return { node: net.node, host: net.host, a, b, outside, [Symbol.asyncDispose]: () => net[Symbol.asyncDispose]() }
}
