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
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const missing = whyNoKernelTests()
const [[, program]] = await programs()
const nodes = '/api/v1/nodes'

interface Reply {
  readonly code: number
  readonly msg: string
}

/** The reason of each in the order of issue "Real Kubernetes", section "Bad input": where an operator and the runtime look. */
describe.skipIf(missing !== undefined)(skippable('an agent that cannot serve', missing), () => {
  let folder: string
  let node: TestNamespace
  let outside: TestNamespace
  let plugin: InstalledPlugin
  let url: string
  let api: ChildProcessByStdio<Writable, Readable, null>
  let agent: ChildProcessByStdio<Writable, Readable, null> | undefined
  let log: string
  const children: ChildProcessByStdio<Writable, Readable, null>[] = []
  const at = (name: string): string => join(folder, name)

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'agent-bad-'))
    node = await TestNamespace.create()
    outside = await TestNamespace.create()
    TestNamespace.connect(node, { name: 'eth0', addresses: [{ address: parseIp('172.30.1.11'), prefix: 24 }] }, outside, { name: 'eth0' })
    plugin = await installPlugin(folder, program)
    api = start('../test/api-server.ts', [])
    url = (await once(api.stdout, 'data') as [Buffer])[0].toString().trim()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) {
      const closed = once(child, 'close')
      if (child.kill('SIGKILL')) await closed
    }
    await node[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  function start(file: string, args: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '-C', 'dev', join(import.meta.dirname, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(child)
    return child
  }
  const tell = (line: unknown): unknown => api.stdin.write(`${JSON.stringify(line)}\n`)
  const putNode = (podCIDRs: readonly string[]): unknown => tell([nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: { podCIDRs }, status: { addresses: [{ type: 'InternalIP', address: '172.30.1.11' }] } }])

  function startAgent(servers: readonly string[] = [url]): void {
    for (const file of ['token', 'ca.crt']) writeFileSync(at(file), 'test')
    writeFileSync(at('agent.yaml'), JSON.stringify({
      nodeName: 'n1', adminSocket: at('admin.sock'), kube: { servers, credentialsFolder: folder, serversPath: at('servers.json') }, install: { binDir: at('placed'), confDir: at('net.d'), plugin: 'twin' },
      cni: { socketPath: plugin.socketPath, spoolPath: plugin.spoolPath }, ipam: { mode: 'node-cidr', storePath: at('state/attachments.db') },
    }))
    log = ''
    agent = start('main.ts', ['--config', at('agent.yaml')])
    agent.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  }

  async function status(): Promise<Reply | undefined> {
    const { stdout } = await plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }) })
    return stdout === '' ? undefined : JSON.parse(stdout) as Reply
  }

  /** As `kubectl describe node` shows it. */
  async function condition(): Promise<string> {
    tell(nodes)
    const [line] = await once(api.stdout, 'data') as [Buffer]
    const [object] = JSON.parse(line.toString()) as readonly [{ readonly status: { readonly conditions?: readonly { readonly type: string, readonly status: string, readonly message: string }[] } }]
    return object.status.conditions?.filter(({ type }) => type === 'NetworkUnavailable').map(({ status: value, message }) => `${value} ${message}`).join() ?? ''
  }
  const seen = { timeout: 60_000, interval: 300 }
  const nothingPlaced = (): void => expect([existsSync(at('net.d')), existsSync(at('placed'))]).toEqual([false, false])

  test('a missing permission is in STATUS, in the condition and once in the log, with the remedy', { timeout: 120_000 }, async () => {
    putNode(['10.244.1.0/24'])
    tell({ match: '^GET /api/v1/pods', status: 403, reason: 'Forbidden' })
    startAgent()
    await expect.poll(status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft waits for pods: 403 Forbidden, .*; apply the ClusterRole that comes with this version; /) as unknown })
    await expect.poll(condition, seen).toMatch(/^True Weft waits for pods: 403 Forbidden, .*apply the ClusterRole/)
    expect(log.split('\n').filter((line) => line.includes('cannot reach the API server yet')), log).toHaveLength(1)
    nothingPlaced()
  })

  test('an API server that nobody reaches is in STATUS with every address and what became of it', { timeout: 120_000 }, async () => {
    startAgent(['http://127.0.0.1:9', 'http://192.0.2.77:6443'])
    await expect.poll(status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft waits for the API server: no answer from http:\/\/127\.0\.0\.1:9 \(connection refused\), http:\/\/192\.0\.2\.77:6443 \(network is unreachable\).*; wanted one that answers: /) as unknown })
    nothingPlaced()
  })

  test('pods in the range of Services are not wired: STATUS and condition name both ranges, until they are apart', { timeout: 120_000 }, async () => {
    tell(['/apis/networking.k8s.io/v1/servicecidrs', { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } }])
    putNode(['10.96.3.0/24'])
    startAgent()
    const overlap = /10\.96\.3\.0\/24 of pods on node "n1" overlaps 10\.96\.0\.0\/12 of Services; make the cluster with ranges that are apart/
    await expect.poll(status, seen).toMatchObject({ code: 50, msg: expect.stringMatching(overlap) as unknown })
    await expect.poll(condition, seen).toMatch(overlap)
    await using pod = await TestNamespace.create()
    const add = await plugin.run({ environment: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: pod.path }, stdin: JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }) })
    expect(JSON.parse(add.stdout)).toMatchObject({ code: 11, msg: expect.stringMatching(overlap) as unknown })
    expect(pod.route.findLink('eth0')).toBeUndefined()
    nothingPlaced()
    putNode(['10.244.1.0/24'])
    await expect.poll(() => existsSync(at('net.d/05-weft.conflist')), seen).toBe(true)
    await expect.poll(condition, seen).toBe('False Weft wires pods on this node')
    expect(await status()).toBeUndefined()
  })

  test('a store that cannot be opened ends the agent, and STATUS and condition say why', { timeout: 120_000 }, async () => {
    putNode(['10.244.1.0/24'])
    // A folder where the database should be: as little can be opened as on a disk that is broken.
    mkdirSync(at('state/attachments.db'), { recursive: true })
    startAgent()
    const [code] = await once(agent!, 'close')
    expect(code, log).toBe(1)
    expect(await status()).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: Weft cannot start: .*attachments\.db/) as unknown })
    expect(await condition()).toMatch(/^True Weft cannot start: .*attachments\.db/)
    nothingPlaced()
  })
})
