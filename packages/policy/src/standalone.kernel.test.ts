import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adminClient, policyCalls } from '@weft/api'
import { askAdmin, realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { namespace, networkPolicy, nodeName, pod } from '../test/cluster.ts'
import { TestPod } from '../test/pod-net.ts'

const plugins = '/usr/lib/cni'
const noPlugins = whyNoKernelTests() ?? (existsSync(join(plugins, 'host-local')) ? undefined : `No CNI plugins in ${plugins}`)
/** Bridged packets meet the hooks of IP only where the kernel passes them on. */
const noBridge = noPlugins ?? (existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables') ? undefined : 'the kernel has no br_netfilter')
const ranges = ['10.245.1.0/24', 'fd00:10:245:1::/64']

// The shape of kindnet, and that of the old bridge networks.
describe.each([
  { type: 'ptp', why: noPlugins, more: {} },
  { type: 'bridge', why: noBridge, more: { bridge: 'cni0', isGateway: true, hairpinMode: true } },
])('weft-policy beside the CNI plugins $type and host-local', ({ type, why, more }) => {
  const node = { kind: 'Node', metadata: { name: nodeName, uid: 'n1' }, spec: { podCIDRs: ranges }, status: { addresses: [] } }

  describe.skipIf(why !== undefined)(skippable('pods with addresses of theirs', why), () => {
    const stack = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'weft-beside-'))
    const children: ChildProcess[] = []
    let host: TestNamespace
    let api: ChildProcess

    const start = (file: string, args: readonly string[]): ChildProcess => {
      const child = spawn('nsenter', [`--net=${host.path}`, process.execPath, '-C', 'dev', join(import.meta.dirname, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
      children.push(child)
      return child
    }
    const tell = (object: object): void => void api.stdin!.write(`${JSON.stringify(object)}\n`)

    /** What containerd does: a namespace, and the plugin in the node's. */
    async function wirePod(name: string): Promise<TestPod> {
      const netns = stack.use(await TestNamespace.create())
      const config = { cniVersion: '1.0.0', name: 'beside', type, ...more, ipam: { type: 'host-local', dataDir: join(folder, 'ipam'), ranges: ranges.map((subnet) => [{ subnet }]), routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] } }
      const env = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: name, CNI_NETNS: netns.path, CNI_IFNAME: 'eth0', CNI_PATH: plugins, PATH: process.env['PATH']! }
      const { ips } = JSON.parse(host.exec('env', [...Object.entries(env).map(([key, value]) => `${key}=${value}`), join(plugins, type)], JSON.stringify(config))) as { readonly ips: readonly { readonly address: string }[] }
      const found = stack.use(await TestPod.start(netns, ips.map(({ address }) => address.split('/', 1)[0]!) as [string, string]))
      await found.run({ do: 'listen', port: 80 })
      return found
    }

    beforeAll(async () => {
      host = stack.use(await TestNamespace.create())
      for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', ...(type === 'bridge' ? ['bridge/bridge-nf-call-iptables', 'bridge/bridge-nf-call-ip6tables'] : [])]) host.exec('sh', ['-c', `echo 1 > /proc/sys/net/${key}`])
      api = start('../test/api-server.ts', [JSON.stringify([node, namespace('x'), namespace('y')])])
      const [url] = await once(api.stdout!, 'data') as [Buffer]
      for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'test')
      writeFileSync(join(folder, 'policy.yaml'), JSON.stringify({ nodeName, adminSocket: join(folder, 'policy.sock'), kube: { servers: [url.toString()], credentialsFolder: folder } }))
      start('main.ts', ['--config', join(folder, 'policy.yaml')]).stdout!.resume()
    }, 30_000)
    afterAll(async () => {
      for (const child of children) child.kill()
      await Promise.all(children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map((child) => once(child, 'exit')))
      await stack.disposeAsync()
      rmSync(folder, { recursive: true })
    })

    test('P4, NP-1, NP-23, NP-55: closed until the API knows them, then open, closed and opened by policies', { timeout: 60_000 }, async () => {
      await expect.poll(() => host.exec('nft', ['list', 'tables']), { timeout: 20_000 }).toContain('weft-policy')
      const [client, server] = [await wirePod('client'), await wirePod('server')]
      const reaches = async (): Promise<boolean> => {
        const results = await Promise.all(server.ips.map((ip) => client.reaches(ip, 80)))
        if (new Set(results).size > 1) return await reaches()
        return results[0]!
      }
      const becomes = (want: boolean): Promise<void> => expect.poll(reaches, { timeout: 10_000 }).toBe(want)
      const hostPod = stack.use(await TestPod.start(host, ['127.0.0.1', '::1']))
      // Duplicate address detection of IPv6 takes its time.
      await expect.poll(() => hostPod.reaches(server.ips[1], 80), { timeout: 10_000 }).toBe(true)
      // Nobody knows them: closed, save for their node.
      expect([await reaches(), await hostPod.reaches(server.ips[0], 80)]).toEqual([false, true])
      const admin = adminClient(policyCalls, (request) => askAdmin(join(folder, 'policy.sock'), request))
      expect(await admin.explainPolicy({ from: client.ips[0], to: server.ips[0], port: '80' })).toMatchObject({ allowed: false, kernel: { allowed: false, wanted: false } })
      tell(pod('y/server', { ips: server.ips, labels: { app: 'server' } }))
      await realClock.sleep(300)
      expect(await reaches()).toBe(false)
      tell(pod('x/client', { ips: client.ips, labels: { app: 'client' } }))
      await becomes(true)
      tell(networkPolicy('y/deny', {}))
      await becomes(false)
      tell(networkPolicy('y/allow', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } }, podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }] }))
      await becomes(true)
      tell({ ...networkPolicy('y/allow', {}), gone: true })
      await becomes(false)
      tell({ ...networkPolicy('y/deny', {}), gone: true })
      await becomes(true)
      // Its link is there still, and it is nobody's.
      tell({ ...pod('x/client', {}), gone: true })
      await becomes(false)
    })
  })
})
