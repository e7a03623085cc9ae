import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { type IpAddress, parseIp } from '@weft/ip'
import { readSysctls } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { runProgram } from '@weft/plugin/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ChainRuntime, chainRuntimes, debianPlugins, type NetworkList } from '../../test/chain.ts'
import { ask, serve } from '../../test/talk.ts'

const reason = whyNoKernelTests()
const noPlugins = reason ?? (existsSync(debianPlugins) ? undefined : `No CNI plugins in ${debianPlugins}`)
const main = new URL('../main.ts', import.meta.url).pathname
const ranges = [[{ subnet: '10.30.0.0/24' }], [{ subnet: 'fd00:30::/64' }]]

describe.skipIf(reason !== undefined)(skippable('the CNI server by itself', reason), () => {
  let folder: string
  let node: TestNamespace
  let outside: TestNamespace
  let server: ChildProcess | undefined

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-lone-'))
    node = await TestNamespace.create()
    outside = await TestNamespace.create()
    const ends = (last: string): { readonly address: IpAddress, readonly prefix: number }[] => [{ address: parseIp(`192.0.2.${last}`), prefix: 24 }, { address: parseIp(`2001:db8::${last}`), prefix: 64 }]
    TestNamespace.connect(node, { name: 'uplink', addresses: ends('1') }, outside, { name: 'eth0', addresses: ends('9') })
    await writeFile(join(folder, 'config.yaml'), JSON.stringify({
      ranges, adminSocket: join(folder, 'admin.sock'), storePath: join(folder, 'attachments.db'), binDir: join(folder, 'bin'), confDir: join(folder, 'net.d'), logLevel: 'warn',
      cni: { socketPath: join(folder, 'cni.sock'), spoolPath: join(folder, 'spool') },
    }))
  })
  afterEach(async () => {
    await stop()
    await outside[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const weft = (...args: readonly string[]): readonly string[] => ['nsenter', `--net=${node.path}`, process.execPath, '-C', 'dev', main, ...args, '--config', join(folder, 'config.yaml'), '--cache-dir', join(folder, 'cache')]

  async function start(): Promise<void> {
    const [command, ...args] = weft('serve')
    server = spawn(command!, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    await expect.poll(() => existsSync(join(folder, 'cni.sock')), { timeout: 10_000 }).toBe(true)
  }

  async function stop(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise((resolve) => server!.once('close', resolve))
    server.kill('SIGTERM')
    await ended
  }

  const install = (): ReturnType<typeof runProgram> => runProgram(weft('install'), { PATH: process.env['PATH'] })

  /** What whoever replaces one by the other relies on. */
  async function tryPods(runtime: ChainRuntime): Promise<readonly (readonly string[])[]> {
    await using a = await TestNamespace.create()
    await using b = await TestNamespace.create()
    const addresses: string[][] = []
    for (const pod of [a, b]) {
      const added = await runtime.add({ netns: pod.path })
      expect([added.exitCode, added.exitCode === 0 ? '' : added.stdout + added.stderr]).toEqual([0, ''])
      const { ips }: { readonly ips: readonly { readonly address: string }[] } = JSON.parse(added.stdout)
      addresses.push(ips.map(({ address }) => address.split('/', 1)[0]!))
    }
    for (const to of ['10.30.0.3', 'fd00:30::3', '192.0.2.1', '2001:db8::1', '192.0.2.9', '2001:db8::9']) await expect.poll(() => a.echoes(to), { timeout: 10_000 }).toBe(true)
    for (const to of addresses.flat()) expect(await node.echoes(to)).toBe(true)
    // The world outside does not know the way to pods: it answers the machine.
    using _server = await serve(outside, 'tcp', 7001)
    expect([ask(a, 'tcp', '192.0.2.9', 7001), ask(a, 'tcp', '2001:db8::9', 7001)]).toEqual(['192.0.2.1', '2001:db8::1'])
    for (const pod of [a, b]) {
      expect(await runtime.check({ netns: pod.path })).toMatchObject({ exitCode: 0 })
      expect(await runtime.del({ netns: pod.path })).toMatchObject({ exitCode: 0 })
      await expect.poll(() => pod.route.findLink('eth0')).toBe(undefined)
    }
    return addresses
  }

  const firstAddresses = [['10.30.0.2', 'fd00:30::2'], ['10.30.0.3', 'fd00:30::3']]

  describe.each(chainRuntimes)('under %s', (_name, startRuntime) => {
    const place = (): Parameters<typeof startRuntime>[0] => ({ folder, namespace: node })

    it('NET-20 with local ranges and no other part of ours does the job of bridge and host-local', async () => {
      expect((await install()).exitCode).toBe(0)
      await start()
      expect(await readSysctls(node.path, ['net.ipv4.ip_forward', 'net.ipv4.conf.all.send_redirects', 'net.ipv6.conf.all.forwarding'])).toEqual({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.all.send_redirects': '0', 'net.ipv6.conf.all.forwarding': '1' })
      const list: NetworkList = JSON.parse(await readFile(join(folder, 'net.d/05-weft.conflist'), 'utf8'))
      expect(await tryPods(await startRuntime(place(), { ...list, cniVersion: '1.0.0' }))).toEqual(firstAddresses)
    })

    it.skipIf(noPlugins !== undefined)(skippable('the same of Debian\'s bridge and host-local', noPlugins), async () => {
      node.exec('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'])
      const runtime = await startRuntime(place(), {
        cniVersion: '1.0.0', name: 'peer',
        plugins: [{ type: 'bridge', bridge: 'cni0', isGateway: true, isDefaultGateway: true, ipMasq: true, ipam: { type: 'host-local', ranges, dataDir: join(folder, 'host-local') } }],
      })
      expect(await tryPods(runtime)).toEqual(firstAddresses)
    })
  })

  it('CNI-19 install places program, settings and network for root alone to change, whatever the umask, and uninstall takes them away', async () => {
    const { exitCode, stdout } = await runProgram(['sh', '-c', 'umask 077; exec "$@"', 'sh', ...weft('install')], { PATH: process.env['PATH'] })
    expect([exitCode, stdout]).toEqual([0, ''])
    const modes = await Promise.all(['bin/weft-cni', 'bin/weft-cni.conf', 'net.d/05-weft.conflist'].map(async (name) => (await stat(join(folder, name))).mode & 0o7777))
    expect(modes).toEqual([0o755, 0o644, 0o644])
    expect([await readdir(join(folder, 'bin')), await readdir(join(folder, 'net.d'))]).toEqual([['weft-cni', 'weft-cni.conf'], ['05-weft.conflist']])
    expect((await runProgram(weft('uninstall'), { PATH: process.env['PATH'] })).exitCode).toBe(0)
    expect([await readdir(join(folder, 'bin')), await readdir(join(folder, 'net.d'))]).toEqual([[], []])
  })
})
