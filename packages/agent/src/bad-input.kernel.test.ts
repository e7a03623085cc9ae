import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { skippable } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { type InstalledPlugin, installPlugin, programs } from '@weft/plugin/testing'
import { describe, test } from 'vitest'

const missing = whyNoKernelTests()
const [[, program]] = await programs()
const nodes = '/api/v1/nodes'

type Child = ChildProcessByStdio<Writable, Readable, null>

interface Reply {
  readonly code: number
  readonly msg: string
}

/** One node and an API server on it; both, and what was started there, end with it. */
class Scene implements AsyncDisposable {
  readonly plugin: InstalledPlugin
  /** What the agent wrote. */
  log = ''
  readonly #folder: string
  readonly #node: TestNamespace
  readonly #outside: TestNamespace
  readonly #children: Child[] = []
  #api: Child
  #url = ''

  private constructor(folder: string, { plugin, node, outside }: { readonly plugin: InstalledPlugin, readonly node: TestNamespace, readonly outside: TestNamespace }) {
    this.plugin = plugin
    this.#folder = folder
    this.#node = node
    this.#outside = outside
    this.#api = this.#start('../test/api-server.ts', [])
  }

  static async open(): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), 'agent-bad-'))
    const node = await TestNamespace.create()
    const outside = await TestNamespace.create()
    TestNamespace.connect(node, { name: 'eth0', addresses: [{ address: parseIp('172.30.1.11'), prefix: 24 }] }, outside, { name: 'eth0' })
    const scene = new Scene(folder, { plugin: await installPlugin(folder, program), node, outside })
    scene.#url = (await once(scene.#api.stdout, 'data') as [Buffer])[0].toString().trim()
    return scene
  }

  at(name: string): string {
    return join(this.#folder, name)
  }

  /** A line for the API server. */
  tell(line: unknown): void {
    this.#api.stdin.write(`${JSON.stringify(line)}\n`)
  }

  putNode(podCIDRs: readonly string[]): void {
    this.tell([nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDRs }, status: { addresses: [{ type: 'InternalIP', address: '172.30.1.11' }] } }])
  }

  startAgent(servers: readonly string[] = [this.#url]): Child {
    for (const file of ['token', 'ca.crt']) writeFileSync(this.at(file), 'test')
    writeFileSync(this.at('agent.yaml'), JSON.stringify({
      nodeName: 'n1', adminSocket: this.at('admin.sock'), kube: { servers, credentialsFolder: this.#folder, serversPath: this.at('servers.json') }, install: { binDir: this.at('placed'), confDir: this.at('net.d'), plugin: 'twin' },
      cni: { socketPath: this.plugin.socketPath, spoolPath: this.plugin.spoolPath }, ipam: { mode: 'node-cidr', storePath: this.at('state/attachments.db') },
    }))
    const agent = this.#start('main.ts', ['--config', this.at('agent.yaml')])
    agent.stdout.setEncoding('utf8').on('data', (text: string) => (this.log += text))
    return agent
  }

  readonly status = async (): Promise<Reply | undefined> => {
    const { stdout } = await this.plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }) })
    return stdout === '' ? undefined : JSON.parse(stdout) as Reply
  }

  /** As `kubectl describe node` shows it. */
  readonly condition = async (): Promise<string> => {
    this.tell(nodes)
    const [line] = await once(this.#api.stdout, 'data') as [Buffer]
    const [object] = JSON.parse(line.toString()) as readonly [{ readonly status: { readonly conditions?: readonly { readonly type: string, readonly status: string, readonly message: string }[] } }]
    return object.status.conditions?.filter(({ type }) => type === 'NetworkUnavailable').map(({ status: value, message }) => `${value} ${message}`).join() ?? ''
  }

  /** Whether the runtime finds the network, and the plugin. */
  get placed(): readonly boolean[] {
    return [existsSync(this.at('net.d')), existsSync(this.at('placed'))]
  }

  #start(file: string, args: readonly string[]): Child {
    const child = spawn('nsenter', [`--net=${this.#node.path}`, process.execPath, '-C', 'dev', join(import.meta.dirname, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.push(child)
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const closed = once(child, 'close')
      if (child.kill('SIGKILL')) await closed
    }
    await this.#node[Symbol.asyncDispose]()
    await this.#outside[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The reason of each where an operator and the runtime look. STATUS has it after 15 s, so all wait at once. */
describe.skipIf(missing !== undefined)(skippable('an agent that cannot serve', missing), { concurrent: true }, () => {
  const seen = { timeout: 60_000, interval: 300 }

  test('a missing permission is in STATUS, in the condition and once in the log, with the remedy', { timeout: 120_000 }, async ({ expect }) => {
    await using scene = await Scene.open()
    scene.putNode(['10.244.1.0/24'])
    scene.tell({ match: '^GET /api/v1/pods', status: 403, reason: 'Forbidden' })
    scene.startAgent()
    await expect.poll(scene.status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft waits for pods: 403 Forbidden, .*; apply the ClusterRole that comes with this version; /) as unknown })
    await expect.poll(scene.condition, seen).toMatch(/^True Weft waits for pods: 403 Forbidden, .*apply the ClusterRole/)
    expect(scene.log.split('\n').filter((line) => line.includes('cannot reach the API server yet')), scene.log).toHaveLength(1)
    expect(scene.placed).toEqual([false, false])
  })

  test('an API server that nobody reaches is in STATUS with every address and what became of it', { timeout: 120_000 }, async ({ expect }) => {
    await using scene = await Scene.open()
    scene.startAgent(['http://127.0.0.1:9', 'http://192.0.2.77:6443'])
    await expect.poll(scene.status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft waits for the API server: no answer from http:\/\/127\.0\.0\.1:9 \(connection refused\), http:\/\/192\.0\.2\.77:6443 \(network is unreachable\).*; wanted one that answers: /) as unknown })
    expect(scene.placed).toEqual([false, false])
  })

  test('pods in the range of Services are not wired: STATUS and condition name both ranges, until they are apart', { timeout: 120_000 }, async ({ expect }) => {
    await using scene = await Scene.open()
    scene.tell(['/apis/networking.k8s.io/v1/servicecidrs', { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } }])
    scene.putNode(['10.96.3.0/24'])
    scene.startAgent()
    const overlap = /10\.96\.3\.0\/24 of pods on node "n1" overlaps 10\.96\.0\.0\/12 of Services; make the cluster with ranges that are apart/
    await expect.poll(scene.status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(overlap) as unknown })
    await expect.poll(scene.condition, seen).toMatch(overlap)
    await using pod = await TestNamespace.create()
    const add = await scene.plugin.run({ environment: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: pod.path }, stdin: JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }) })
    expect(JSON.parse(add.stdout)).toMatchObject({ code: 11, msg: expect.stringMatching(overlap) as unknown })
    expect(pod.route.findLink('eth0')).toBeUndefined()
    expect(scene.placed).toEqual([false, false])
    scene.putNode(['10.244.1.0/24'])
    await expect.poll(() => existsSync(scene.at('net.d/05-weft.conflist')), seen).toBe(true)
    await expect.poll(scene.condition, seen).toBe('False Weft wires pods on this node')
    expect(await scene.status()).toBeUndefined()
  })

  test('a store that cannot be opened ends the agent, and STATUS and condition say why', { timeout: 120_000 }, async ({ expect }) => {
    await using scene = await Scene.open()
    scene.putNode(['10.244.1.0/24'])
    // A folder where the database should be: as little can be opened as on a disk that is broken.
    mkdirSync(scene.at('state/attachments.db'), { recursive: true })
    const [code] = await once(scene.startAgent(), 'close')
    expect(code, scene.log).toBe(1)
    expect(await scene.status()).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft cannot start: .*attachments\.db/) as unknown })
    expect(await scene.condition()).toMatch(/^True Weft cannot start: .*attachments\.db/)
    expect(scene.placed).toEqual([false, false])
  })
})
