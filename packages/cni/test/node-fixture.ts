/** A node in a namespace of its own, with the CNI server inside this process. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Allocator } from '@weft/allocator'
import type { Attachment } from '@weft/api'
import { createRegistry, realClock } from '@weft/daemon'
import { collectingLogger, type LogLine } from '@weft/daemon/testing'
import { formatIp, loopbackIfIndex, parseCidr, parseIpv4, parseIpv6, type IpAddress, type Ipv4, type Ipv6 } from '@weft/ip'
import { Conntrack, ensureDone, requests, writeSysctls } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { type Cni, createCni } from '../src/cni.ts'
import { type CniConfig, cniConfigSchema } from '../src/config.ts'
import type { CoverPort } from '../src/ports.ts'
import { installPlugin, type InstalledPlugin, type PluginOutput } from '@weft/plugin/testing'
import type { ShimProgram } from '@weft/plugin'

export const nodeAddresses: { readonly 4: Ipv4, readonly 6: Ipv6 } = { 4: parseIpv4('172.30.1.11'), 6: parseIpv6('fd00:172:30:1::11') }
export const podRanges: readonly string[] = ['10.244.1.0/24', 'fd00:10:244:1::/64']

interface CallOptions {
  readonly containerId: string
  readonly netns?: string | undefined
  readonly ifname?: string | undefined
  readonly args?: string | undefined
  readonly config?: Readonly<Record<string, unknown>> | undefined
}

export interface NodeFixture extends AsyncDisposable {
  readonly namespace: TestNamespace
  readonly plugin: InstalledPlugin
  readonly folder: string
  /** What policy was told, in order. */
  readonly covered: string[]
  readonly lines: readonly LogLine[]
  /** Names of the pods the API has on this node; undefined while it was not heard. */
  pods: ReadonlySet<string> | undefined
  /** Runs while an ADD waits for policy. */
  hold: (attachment: Attachment) => Promise<void>
  /** Of the agents that are started from now on. */
  mode: CniConfig['mode']
  readonly cni: Cni
  readonly addresses: Allocator
  start(): Promise<void>
  stop(): Promise<void>
  call(command: string, options: CallOptions): Promise<PluginOutput>
}

/** The configuration a runtime would pass. */
export function networkConfig(rest: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...rest })
}

/** Addresses on lo stand for the node's own. */
export async function prepareNode(): Promise<TestNamespace> {
  const namespace = await TestNamespace.create()
  await writeSysctls(namespace.path, { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' })
  ensureDone(namespace.route.transact(Object.values(nodeAddresses).map((address: IpAddress) => requests.addAddress({ ifIndex: loopbackIfIndex, address, prefix: address.family === 4 ? 32 : 128, noDad: true }))))
  return namespace
}

interface NodeOptions {
  readonly resync?: string
  readonly addTimeout?: string
  readonly collectGrace?: string
  /** Whether links have token buckets; what the kernel says when absent. */
  readonly shaping?: boolean
  readonly mode?: CniConfig['mode']
  /** Where sysctls are looked for. */
  readonly sysctlFolder?: string
  /** Of the store; the node's own folder when absent. */
  readonly storeFolder?: string
}

export async function createNode(program: ShimProgram, { resync = '1h', addTimeout = '5s', collectGrace = '1h', shaping, mode = 'point-to-point', sysctlFolder, storeFolder }: NodeOptions = {}): Promise<NodeFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-cni-'))
  const namespace = await prepareNode()
  const plugin = await installPlugin(folder, program)
  const logger = collectingLogger()
  const covered: string[] = []
  let ending: (() => Promise<void>) | undefined
  let parts: { readonly cni: Cni, readonly addresses: Allocator } | undefined

  const fixture: NodeFixture = {
    namespace, plugin, folder, covered, lines: logger.lines,
    hold: () => Promise.resolve(),
    pods: new Set(),
    mode,
    get cni() {
      return parts!.cni
    },
    get addresses() {
      return parts!.addresses
    },
    async start() {
      const registry = createRegistry()
      const addresses = await Allocator.open({ storePath: join(storeFolder ?? folder, 'attachments.db'), logger, registry })
      addresses.setRanges(podRanges.map(parseCidr))
      const cover: CoverPort = {
        ready: true,
        async cover(attachment) {
          await fixture.hold(attachment)
          covered.push(`+ ${attachment.name} ${attachment.ips.map(formatIp).join(' ')}`)
        },
        async uncover(attachment) {
          covered.push(`- ${attachment.name} ${attachment.ips.map(formatIp).join(' ')}`)
        },
      }
      const nft = await NftSocket.open({ netns: namespace.path })
      const conntrack = await Conntrack.open({ netns: namespace.path })
      const cni = createCni({
        config: cniConfigSchema.parse({ socketPath: plugin.socketPath, spoolPath: plugin.spoolPath, resync, addTimeout, collectGrace, mode: fixture.mode, spoolInterval: '200ms', runtimeCachePath: join(folder, 'results') }),
        ports: { address: addresses, cover, mtu: { podMtu: () => 1450 }, node: { addresses: () => nodeAddresses }, pods: { has: ({ name }) => fixture.pods?.has(name), byAddress: () => undefined } },
        route: namespace.route, nft, conntrack, shaping, sysctlFolder, clock: realClock, logger, registry,
      })
      parts = { cni, addresses }
      const abort = new AbortController()
      const running = cni.run(abort.signal)
      ending = async () => {
        abort.abort()
        await running
        await addresses[Symbol.asyncDispose]()
        nft[Symbol.dispose]()
        conntrack[Symbol.dispose]()
      }
      for (let turn = 0; turn < 200 && !cni.ready().ready; turn += 1) await realClock.sleep(5)
    },
    async stop() {
      await ending?.()
      ending = undefined
    },
    call: (command, { containerId, netns, ifname = 'eth0', args, config }) => plugin.run({
      netns: namespace.path,
      environment: {
        CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_PATH: '/opt/cni/bin',
        ...netns === undefined ? {} : { CNI_NETNS: netns },
        CNI_ARGS: args ?? `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${containerId};K8S_POD_UID=u-${containerId}`,
      },
      stdin: networkConfig(config),
    }),
    async [Symbol.asyncDispose]() {
      await fixture.stop()
      await namespace[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return fixture
}

/** Waits until a condition holds, looking every 10 ms. */
export async function eventually(what: string, condition: () => boolean, turns = 300): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    if (condition()) return
    await realClock.sleep(10)
  }
  throw new Error(`Cannot go on: ${what} did not come about`)
}

/** Pod links of ours in a namespace. */
export function hostLinks(namespace: TestNamespace): readonly string[] {
  return namespace.route.links({ kind: 'veth' }).map(({ name }) => name).filter((name) => name.startsWith('weft')).sort()
}

/** As `ip route flush`. */
export function deleteRoutes(namespace: TestNamespace, filter: { readonly family: 4 | 6, readonly protocol: number }): void {
  for (const { destination, ifIndex } of namespace.route.routes(filter)) namespace.route.deleteRoute({ destination, ifIndex })
}
