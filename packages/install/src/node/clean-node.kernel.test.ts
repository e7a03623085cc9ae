import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { links, loopbackStandIns, routeProtocols, routing, tables } from '@weft/api'
import { conflistName, installNetwork, installPlugin } from '@weft/cni'
import { skippable } from '@weft/daemon/testing'
import { formatIp, parseCidr, parseIp } from '@weft/ip'
import { RouteSocket } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { type Nft, NftSocket, table, Transaction } from '@weft/nftables'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cleanNode, leftovers } from './clean-node.ts'

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('cleanNode()', reason), () => {
  let node: TestNamespace
  let route: RouteSocket
  let nft: NftSocket
  let folder: string

  beforeEach(async () => {
    node = await TestNamespace.create()
    route = await RouteSocket.open({ netns: node.path })
    nft = await NftSocket.open({ netns: node.path })
    folder = mkdtempSync(join(tmpdir(), 'weft-clean-'))
  })
  afterEach(async () => {
    nft[Symbol.dispose]()
    route[Symbol.dispose]()
    await node[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const options = (): Parameters<typeof cleanNode>[0] => ({ route, nft, binDir: join(folder, 'bin'), confDir: join(folder, 'net.d'), folders: [join(folder, 'lib'), join(folder, 'missing')] })

  test('LIFE-11 removes links, rules, routes, tables and files of ours, and nothing else', async () => {
    const lo = route.link('lo')
    route.setLink(lo.index, { up: true })
    const pod = route.addLink({ kind: 'bridge', name: `${links.podPrefix}0123456789a` })
    route.setLink(pod.index, { up: true })
    route.addLink({ kind: 'bridge', name: links.bridge })
    nft.commit(new Transaction(table({ family: 'bridge', name: tables.cni })).addTable())
    const foreign = route.addLink({ kind: 'bridge', name: 'weftish0' })
    route.setLink(foreign.index, { up: true })
    for (const [protocol, destination] of [[routeProtocols.cni, '10.1.0.1/32'], [routeProtocols.overlay, '10.2.0.0/24'], [routeProtocols.overlay, 'fd00:2::/64'], [4, '10.3.0.0/24']] as const) {
      route.addRoute({ destination: parseCidr(destination), ifIndex: foreign.index, protocol })
    }
    route.addRoute({ destination: parseCidr('10.4.0.0/24'), type: 'unreachable', protocol: routeProtocols.overlay, table: routing.overlayTable })
    route.addRoute({ destination: parseCidr('fd00:4::/64'), type: 'unreachable', protocol: routeProtocols.overlay })
    route.addRule({ family: 4, from: parseCidr('10.0.0.0/8'), table: routing.overlayTable, priority: routing.overlayRulePreference, protocol: routeProtocols.overlay })
    for (const [address, prefix] of [[loopbackStandIns.ipv4, 32], [loopbackStandIns.ipv6, 128], ['192.0.2.7', 32]] as const) route.addAddress({ ifIndex: lo.index, address: parseIp(address), prefix })
    for (const name of [...Object.values(tables), 'foreign']) nft.commit(new Transaction(table({ family: 'inet', name })).addTable())
    await installPlugin({ binDir: join(folder, 'bin'), socketPath: '/s', spoolPath: '/p', program: { kind: 'twin' } })
    await installNetwork({ confDir: join(folder, 'net.d') })
    mkdirSync(join(folder, 'lib/deep'), { recursive: true })
    writeFileSync(join(folder, 'lib/deep/file'), '')
    writeFileSync(join(folder, 'net.d/10-other.conflist'), '{}')
    expect(leftovers(route, nft).length).toBeGreaterThan(8)

    const { removed, failed } = await cleanNode(options())
    expect(failed).toEqual([])
    expect(removed.length).toBeGreaterThan(8)
    expect(leftovers(route, nft)).toEqual([])
    expect(existsSync(join(folder, 'net.d', conflistName))).toBe(false)
    expect([readdirSync(folder).includes('lib'), readdirSync(join(folder, 'bin')), readdirSync(join(folder, 'net.d'))]).toEqual([false, [], ['10-other.conflist']])
    expect(route.findLink('weftish0')).toBeDefined()
    expect(route.routes({ protocol: 4 })).toHaveLength(1)
    expect([route.findLink(links.bridge), nft.read('bridge', tables.cni)]).toEqual([undefined, undefined])
    expect(nft.read('inet', 'foreign')).toBeDefined()
    expect(route.addresses({ ifIndex: lo.index }).map(({ address }) => formatIp(address)).toSorted()).toEqual(['127.0.0.1', '192.0.2.7', '::1'])
  })

  test('N3 a table with what this program cannot read goes as well', async () => {
    const unreadable: Nft = {
      read: (family, name) => {
        if (nft.read(family, name) === undefined) return undefined
        throw new Error('an expression that nobody knows')
      },
      commit: (transaction) => nft.commit(transaction),
      check: (transaction) => nft.check(transaction),
      watch: async (name, options) => nft.watch(name, options),
    }
    nft.commit(new Transaction(table({ family: 'inet', name: tables.proxy })).addTable())
    const { removed, failed } = await cleanNode({ ...options(), nft: unreadable })
    expect({ removed, failed }).toEqual({ removed: ['CNI plugin and network configuration', `table ${tables.proxy}`], failed: [] })
  })

  test('a node without anything of ours is fine', async () => {
    expect(await cleanNode(options())).toEqual({ removed: ['CNI plugin and network configuration'], failed: [] })
  })
})
