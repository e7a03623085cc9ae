import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { installPlugin, type InstalledPlugin, type PluginOutput, programs, runProgram } from '@weft/plugin/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ipamPluginConfigSchema } from '../program-config.ts'
import { createIpamPlugin, type IpamPlugin, ipamPluginName } from './ipam-plugin.ts'

const debianPlugins = '/usr/lib/cni'
const reason = whyNoKernelTests()
const noPlugins = reason ?? (existsSync(debianPlugins) ? undefined : `No CNI plugins in ${debianPlugins}`)
const [[, program]] = await programs()

interface Json {
  readonly [key: string]: unknown
}

interface Call {
  readonly netns?: string | undefined
  readonly args?: string | undefined
  readonly config: Json
  /** Plugin to run; ours when absent. */
  readonly type?: string | undefined
}

describe.skipIf(reason !== undefined)(skippable('the CNI IPAM plugin', reason), () => {
  let folder: string
  let node: TestNamespace
  let installed: InstalledPlugin
  let service: IpamPlugin
  let ending: () => Promise<void>

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-ipam-'))
    node = await TestNamespace.create()
    installed = await installPlugin(folder, program, ipamPluginName)
    await start()
  })
  afterEach(async () => {
    await ending()
    await node[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(): Promise<void> {
    const config = ipamPluginConfigSchema.parse({ socketPath: installed.socketPath, spoolPath: installed.spoolPath, storePath: join(folder, 'ipam.db'), ranges: [[{ subnet: '10.77.0.0/24' }]], cooldown: '1ms' })
    service = await createIpamPlugin({ config, clock: realClock, logger: silentLogger, registry: createRegistry() })
    const abort = new AbortController()
    const running = service.run(abort.signal)
    await expect.poll(() => service.ready().ready).toBe(true)
    ending = async () => {
      abort.abort()
      await running
      await service[Symbol.asyncDispose]()
    }
  }

  async function call(command: string, containerId: string, { netns = '/nowhere', args, config, type = ipamPluginName }: Call): Promise<PluginOutput> {
    const path = `${join(folder, 'bin')}:${debianPlugins}`
    return await runProgram(['nsenter', `--net=${node.path}`, type], {
      PATH: `${path}:${process.env['PATH'] ?? ''}`, CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: 'eth0', CNI_PATH: path, ...args === undefined ? {} : { CNI_ARGS: args },
    }, JSON.stringify({ cniVersion: '1.0.0', name: 'net', type, ...config }))
  }

  function resultOf({ exitCode, stdout, stderr }: PluginOutput): Json {
    expect([exitCode, exitCode === 0 ? '' : stdout + stderr]).toEqual([0, ''])
    const result: Json = JSON.parse(stdout)
    return result
  }

  const local = (ipam: Json): Json => ({ ipam: { type: ipamPluginName, ...ipam } })
  const held = (): readonly string[] => service.dump().split('\n').filter((line) => / attached | pending /.test(line)).map((line) => line.split(' ')[0]!)

  it.skipIf(noPlugins !== undefined)(skippable('IPAM-1, IPAM-2, IPAM-11 answers as host-local does, for every way to write ranges', noPlugins), async () => {
    const networks: readonly Json[] = [
      { ranges: [[{ subnet: '10.1.2.0/24' }]] },
      { ranges: [[{ subnet: '10.1.3.0/24' }], [{ subnet: '2001:db8:1::/64' }]], routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0', gw: '2001:db8:1::9' }] },
      { subnet: '10.1.4.0/24', rangeStart: '10.1.4.20', rangeEnd: '10.1.4.30', gateway: '10.1.4.254' },
      { ranges: [[{ subnet: '10.1.5.0/30' }, { subnet: '10.1.6.0/29', gateway: '10.1.6.3' }]] },
      { ranges: [[{ subnet: 'fd00::/120', rangeStart: 'fd00::10' }]], resolvConf: join(folder, 'resolv.conf') },
    ]
    await writeFile(join(folder, 'resolv.conf'), 'nameserver 10.0.0.10\nsearch a.example b.example\noptions ndots:5\n')
    for (const [index, network] of networks.entries()) {
      for (const containerId of ['a', 'b', 'c']) {
        const answers = await Promise.all([ipamPluginName, 'host-local'].map(async (type) => {
          const { dns, ...rest } = resultOf(await call('ADD', `${containerId}${index}`, { type, config: { name: `n${index}`, ipam: { type, ...network, ...type === 'host-local' ? { dataDir: join(folder, 'host-local') } : {} } } }))
          return { ...rest, ...index === 4 ? { dns } : {} }
        }))
        expect(answers[0]).toEqual(answers[1])
        expect(answers[0]).not.toHaveProperty('interfaces')
      }
    }
  })

  it.skipIf(noPlugins !== undefined)(skippable('gives addresses to pods of Debian\'s bridge and ptp, which reach each other, and takes them back', noPlugins), async () => {
    const networks = {
      bridge: { type: 'bridge', config: { name: 'bridged', bridge: 'br0', isGateway: true, isDefaultGateway: true, ...local({ ranges: [[{ subnet: '10.5.0.0/24' }], [{ subnet: 'fd00:5::/64' }]] }) } },
      ptp: { type: 'ptp', config: { name: 'routed', ...local({ ranges: [[{ subnet: '10.6.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] }) } },
    }
    for (const [name, { type, config }] of Object.entries(networks)) {
      await using a = await TestNamespace.create()
      await using b = await TestNamespace.create()
      const pods = [a, b].map((pod, index) => ({ pod, containerId: `${name}-${index}` }))
      const results: Json[] = []
      // One after the other: Debian's bridge tells a hardware address that the bridge changes when the next port comes.
      for (const { pod, containerId } of pods) {
        const result = resultOf(await call('ADD', containerId, { netns: pod.path, type, config }))
        expect(await call('CHECK', containerId, { netns: pod.path, type, config: { ...config, prevResult: result } })).toMatchObject({ exitCode: 0, stdout: '' })
        results.push(result)
      }
      const ips = results.map(({ ips: list }) => (list as readonly { readonly address: string }[]).map(({ address }) => address.split('/')[0]!))
      expect(held().toSorted()).toEqual(ips.map(([first]) => first!).toSorted())
      for (const ip of ips[1]!) await expect.poll(() => a.echoes(ip)).toBe(true)
      for (const [index, { pod, containerId }] of pods.entries()) {
        // The delegate is asked too: without its reservation CHECK fails.
        expect((await call('DEL', containerId, { netns: pod.path, config })).exitCode).toBe(0)
        expect((await call('CHECK', containerId, { netns: pod.path, type, config: { ...config, prevResult: results[index] } })).stdout).toContain('none are reserved')
        expect((await call('DEL', containerId, { netns: pod.path, type, config })).exitCode).toBe(0)
      }
      expect(held()).toEqual([])
    }
  })

  it.skipIf(noPlugins !== undefined)(skippable('CNI-23 an ADD that fails after its addresses were given takes them back', noPlugins), async () => {
    await using pod = await TestNamespace.create()
    TestNamespace.connect(pod, { name: 'eth0' }, pod, { name: 'other' })
    const { exitCode } = await call('ADD', 'a', { netns: pod.path, type: 'ptp', config: local({ subnet: '10.6.0.0/24' }) })
    expect([exitCode, held()]).toEqual([1, []])
  })

  it('IPAM-5, IPAM-6, IPAM-8 refuses a second allocation, honours addresses asked for, and minds no unknown DEL', async () => {
    const config = local({ subnet: '10.1.2.0/24' })
    expect(resultOf(await call('ADD', 'a', { args: 'IP=10.1.2.77', config }))).toMatchObject({ ips: [{ address: '10.1.2.77/24', gateway: '10.1.2.1' }] })
    expect(resultOf(await call('ADD', 'b', { config: { ...config, runtimeConfig: { ips: ['10.1.2.78/24'] } } }))).toMatchObject({ ips: [{ address: '10.1.2.78/24' }] })
    expect(resultOf(await call('ADD', 'c', { config: { ...config, args: { cni: { ips: ['10.1.2.79'] } } } }))).toMatchObject({ ips: [{ address: '10.1.2.79/24' }] })
    const codes: unknown[] = []
    for (const [id, args] of [['a', undefined], ['d', 'IP=10.1.2.77'], ['e', 'IP=10.1.2.1'], ['f', 'IP=10.9.9.9'], ['g', 'IP=fd00::1'], ['h', 'IP=x']] as const) {
      const { code }: { readonly code: number } = JSON.parse((await call('ADD', id, { args, config })).stdout)
      codes.push(code)
    }
    expect(codes).toEqual([104, 104, 104, 104, 104, 4])
    for (const id of ['a', 'a', 'never']) expect(await call('DEL', id, { config })).toMatchObject({ exitCode: 0, stdout: '' })
    expect(held().toSorted()).toEqual(['10.1.2.78', '10.1.2.79'])
  })

  it('IPAM-10 ranges of the runtime come before those of the network, and the service\'s own after all', async () => {
    const runtimeConfig = { ipRanges: [[{ subnet: '10.50.0.0/24' }]] }
    expect(resultOf(await call('ADD', 'a', { config: { ...local({ subnet: '10.1.2.0/24' }), runtimeConfig } }))).toMatchObject({ ips: [{ address: '10.50.0.2/24' }] })
    expect(resultOf(await call('ADD', 'b', { config: local({}) }))).toMatchObject({ ips: [{ address: '10.77.0.2/24' }] })
    expect(JSON.parse((await call('ADD', 'c', { config: local({ subnet: '10.1.2.0/31' }) })).stdout)).toMatchObject({ code: 104 })
    expect(JSON.parse((await call('ADD', 'd', { config: local({ subnet: '10.1.2.1/24' }) })).stdout)).toMatchObject({ code: 7 })
  })

  it('CNI-39, IPAM-12 GC frees what is not in the list, of its own network only', async () => {
    const config = { cniVersion: '1.1.0', ...local({ subnet: '10.1.2.0/24' }) }
    for (const [id, name] of [['keep', 'net'], ['stale', 'net'], ['other', 'second']] as const) resultOf(await call('ADD', id, { config: { ...config, name } }))
    expect(await call('STATUS', 'x', { config })).toMatchObject({ exitCode: 0, stdout: '' })
    expect(await call('GC', 'x', { config })).toMatchObject({ exitCode: 0, stdout: '' })
    expect(held()).toHaveLength(3)
    expect(await call('GC', 'x', { config: { ...config, 'cni.dev/valid-attachments': [{ containerID: 'keep', ifname: 'eth0' }] } })).toMatchObject({ exitCode: 0, stdout: '' })
    expect(held().toSorted()).toEqual(['10.1.2.2', '10.1.2.4'])
  })

  it('IPAM-15 addresses survive the service, and a DEL while it is away is carried out when it is back', async () => {
    const config = local({ subnet: '10.1.2.0/24' })
    for (const id of ['a', 'b']) resultOf(await call('ADD', id, { config }))
    await ending()
    expect(await call('DEL', 'a', { config })).toMatchObject({ exitCode: 0, stdout: '' })
    await start()
    expect(held()).toEqual(['10.1.2.3'])
    expect(JSON.parse((await call('ADD', 'b', { config })).stdout)).toMatchObject({ code: 104 })
  })
})
