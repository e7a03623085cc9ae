import { skippable } from '@weft/daemon/testing'
import { formatCidr, formatIp, type IfIndex, ifIndexFrom, loopbackIfIndex, parseCidr, parseIp, parseMac } from '@weft/ip'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readU16, readU32 } from './attributes.ts'
import { type NetlinkError, isAlreadyExists, isNotFound } from './errors.ts'
import * as k from './kernel-constants.gen.ts'
import { requests } from './requests.ts'
import { ensureDone } from './route-socket.ts'
import { TestNamespace, hasPrograms, whyNoKernelTests, trackDescriptors } from './testing/index.ts'

type Shown = Readonly<Record<string, unknown>>

/** What Debian's `ip` says: the oracle. */
function ip(ns: TestNamespace, ...args: readonly string[]): Shown[] {
  const list: Shown[] = JSON.parse(ns.exec('ip', ['-j', '-d', ...args]))
  // `ip -j` prints empty objects for what a filter leaves out.
  return list.filter((entry) => Object.keys(entry).length > 0)
}

/** Without the oracle, only what we read back ourselves is compared. */
const hasOracle = hasPrograms('ip', 'bridge')

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('RouteSocket', missing), () => {
  let leaks: () => string[]
  let a: TestNamespace
  let b: TestNamespace
  let eth0: IfIndex

  beforeAll(async () => {
    leaks = await trackDescriptors()
    a = await TestNamespace.create()
    b = await TestNamespace.create()
    const ends = TestNamespace.connect(a, { name: 'weft0', addresses: [{ address: parseIp('10.0.0.1'), prefix: 24 }] }, b, { name: 'eth0', addresses: [{ address: parseIp('10.0.0.2'), prefix: 24 }] })
    eth0 = ends[1]
  })

  afterAll(async () => {
    await a[Symbol.asyncDispose]()
    await b[Symbol.asyncDispose]()
    // oxlint-disable-next-line vitest/no-standalone-expect -- the leak check belongs to every test
    expect(leaks()).toEqual([])
  })

  it('addLink() makes a veth pair with both ends described, the far one in its namespace', () => {
    const mac = parseMac('02:00:00:00:01:01')
    const peerMac = parseMac('02:00:00:00:01:02')
    const link = a.route.addLink({ kind: 'veth', name: 'veth-a', mac, mtu: 1400, up: true, group: 7, peer: { name: 'veth-b', mac: peerMac, mtu: 1300, netnsFd: b.fd } })
    expect(link).toMatchObject({ name: 'veth-a', kind: 'veth', mac, mtu: 1400, up: true, running: false, group: 7 })
    expect(b.route.link('veth-b')).toMatchObject({ mac: peerMac, mtu: 1300, kind: 'veth', peerIndex: link.index, up: false })
    expect(link.peerIndex).toBe(b.route.link('veth-b').index)
    // The kernel takes no alias when a link is made.
    a.route.setLink(link.index, { alias: 'pod web-0' })
    expect(a.route.link(link.index).alias).toBe('pod web-0')
    if (hasOracle) expect(ip(a, 'link', 'show', 'veth-a')).toMatchObject([{ ifindex: link.index, address: mac, mtu: 1400, ifalias: 'pod web-0', group: '7', linkinfo: { info_kind: 'veth' } }])
    expect(() => a.route.addLink({ kind: 'veth', name: 'veth-a', peer: { name: 'x' } })).toThrow(expect.toSatisfy(isAlreadyExists))
  })

  it('addLink() with an index of one’s own uses it', () => {
    expect(a.route.addLink({ kind: 'bridge', name: 'br-index', index: ifIndexFrom(4242) }).index).toBe(4242)
    expect(() => a.route.addLink({ kind: 'bridge', name: 'br-other', index: ifIndexFrom(4242) })).toThrow(expect.toSatisfy(isAlreadyExists))
  })

  it('addLink() setLink() setBridgePort() make a bridge and its port', () => {
    const bridge = a.route.addLink({ kind: 'bridge', name: 'br0', up: true, stp: true, mac: parseMac('02:00:00:00:02:01') })
    const port = a.route.addLink({ kind: 'veth', name: 'port0', master: bridge.index, peer: { name: 'port0-peer' } })
    expect(port.master).toBe(bridge.index)
    a.route.setBridgePort(port.index, { hairpin: true, isolated: true, learning: false })
    if (hasOracle) expect(ip(a, 'link', 'show', 'br0')).toMatchObject([{ linkinfo: { info_data: { stp_state: 1 } } }])
    if (hasOracle) expect(ip(a, 'link', 'show', 'port0')).toMatchObject([{ master: 'br0', linkinfo: { info_slave_data: { hairpin: true, isolated: true, learning: false } } }])
    a.route.setLink(port.index, { master: 0 })
    expect(a.route.link(port.index).master).toBeUndefined()
  })

  it.each(['10.0.0.1', 'fd00::1'])('addLink() makes a VXLAN link from %s and reads its details back', (local) => {
    const name = `vx-${parseIp(local).family}`
    const link = a.route.addLink({ kind: 'vxlan', name, vni: 77, port: local.includes(':') ? 8473 : 8472, local: parseIp(local), learning: false, device: a.route.link('weft0').index, ttl: 9, udp6ZeroChecksum: true, mac: parseMac('02:00:00:00:03:01') })
    expect(link.vxlan).toMatchObject({ vni: 77, learning: false, ttl: 9, device: a.route.link('weft0').index, udp6ZeroChecksum: true })
    expect(formatIp(link.vxlan!.local!)).toBe(local)
    if (hasOracle) expect(ip(a, 'link', 'show', name)).toMatchObject([{ linkinfo: { info_data: { id: 77, port: link.vxlan!.port, learning: false, ttl: 9, link: 'weft0', [local.includes(':') ? 'local6' : 'local']: local } } }])
  })

  it('K5 a refusal names the attribute that the kernel did not like, by its offset', () => {
    const spec = { kind: 'vxlan', name: 'vx-wrong', vni: 2 ** 24, port: 8472, learning: false } as const
    expect(() => a.route.addLink(spec)).toThrow(expect.toSatisfy((error: NetlinkError) => {
      expect(error).toMatchObject({ operation: 'add vxlan link "vx-wrong"', code: 'ERANGE', kernelMessage: 'VXLAN ID must be lower than 16777216' })
      // From the start of the message, whose header has 16 bytes.
      const { payload } = requests.addLink(spec)
      expect([readU16(payload, error.offset! - 16 + 2), readU32(payload, error.offset! - 16 + 4)]).toEqual([k.IFLA_VXLAN_ID, 2 ** 24])
      return true
    }))
  })

  it('links() lists all, or one kind; findLink() misses without throwing; link() says ENODEV', () => {
    if (hasOracle) expect(a.route.links().map(({ name }) => name).toSorted()).toEqual(ip(a, 'link', 'show').map((link) => String(link['ifname'])).toSorted())
    expect(a.route.links({ kind: 'vxlan' }).map(({ name }) => name).toSorted()).toEqual(['vx-4', 'vx-6'])
    expect(a.route.findLink('nobody')).toBeUndefined()
    expect(() => a.route.link('nobody')).toThrow(expect.toSatisfy(isNotFound))
  })

  it('setLink() renames, moves to another namespace, and refuses with the kernel’s words', () => {
    const { index } = a.route.addLink({ kind: 'veth', name: 'mover', peer: { name: 'mover-peer' } })
    a.route.setLink(index, { name: 'moved', netnsFd: b.fd })
    expect(a.route.findLink('mover')).toBeUndefined()
    expect(b.route.link('moved').kind).toBe('veth')
    expect(() => a.route.setLink(a.route.link('mover-peer').index, { mtu: 10 })).toThrow('Cannot change link')
    expect(() => a.route.setLink(a.route.link('mover-peer').index, { mtu: 10 })).toThrow('mtu less than device minimum')
  })

  it('addAddress() replaceAddress() deleteAddress() heed flags, scope and peer', () => {
    const v6 = { ifIndex: eth0, address: parseIp('fd00::2'), prefix: 128, noDad: true, noPrefixRoute: true }
    b.route.addAddress(v6)
    b.route.addAddress({ ifIndex: eth0, address: parseIp('10.9.0.1'), prefix: 32, peer: parseIp('10.9.0.2'), scope: 'link', label: 'eth0:x' })
    expect(() => b.route.addAddress(v6)).toThrow(expect.toSatisfy(isAlreadyExists))
    b.route.replaceAddress({ ...v6, preferredSeconds: 0 })
    const shown = hasOracle && ip(b, 'address', 'show', 'dev', 'eth0').flatMap((link) => link['addr_info'])
    if (shown) expect(shown).toContainEqual(expect.objectContaining({ local: 'fd00::2', prefixlen: 128, nodad: true, noprefixroute: true, deprecated: true }))
    if (shown) expect(shown).toContainEqual(expect.objectContaining({ local: '10.9.0.1', address: '10.9.0.2', prefixlen: 32, scope: 'link', label: 'eth0:x' }))
    const read = b.route.addresses({ ifIndex: eth0 })
    expect(read.find(({ address }) => formatIp(address) === 'fd00::2')).toMatchObject({ prefix: 128, noDad: true, noPrefixRoute: true, tentative: false, deprecated: true })
    expect(formatIp(read.find(({ label }) => label === 'eth0:x')!.peer!)).toBe('10.9.0.2')
    expect(b.route.addresses({ family: 4 }).every(({ family }) => family === 4)).toBe(true)
    b.route.deleteAddress(v6)
    expect(b.route.addresses({ ifIndex: eth0, family: 6 }).some(({ address }) => formatIp(address) === 'fd00::2')).toBe(false)
    expect(() => b.route.deleteAddress(v6)).toThrow(expect.toSatisfy(isNotFound))
    expect(b.route.addresses({ ifIndex: ifIndexFrom(9999) })).toEqual([])
  })

  it('addRoute() replaceRoute() deleteRoute() write what `ip route` shows', () => {
    const protocol = 77
    b.route.addRoute({ destination: parseCidr('10.20.0.0/16'), via: parseIp('10.0.0.1'), source: parseIp('10.0.0.2'), mtu: 1400, advertisedMss: 1360, metric: 5, protocol })
    b.route.addRoute({ destination: parseCidr('169.254.1.1/32'), ifIndex: eth0, scope: 'link', protocol })
    b.route.addRoute({ destination: parseCidr('10.21.0.0/16'), via: parseIp('192.0.2.1'), ifIndex: eth0, onlink: true, table: 1000, protocol })
    for (const type of ['unreachable', 'blackhole', 'throw', 'prohibit'] as const) b.route.addRoute({ destination: parseCidr('10.22.0.0/16'), type, table: { unreachable: 1, blackhole: 2, throw: 3, prohibit: 4 }[type], protocol })
    const shown = hasOracle && ip(b, 'route', 'show', 'table', 'all', 'proto', String(protocol))
    if (shown) expect(shown).toContainEqual(expect.objectContaining({ dst: '10.20.0.0/16', gateway: '10.0.0.1', prefsrc: '10.0.0.2', metric: 5, metrics: [{ mtu: 1400, advmss: 1360 }] }))
    if (shown) expect(shown).toContainEqual(expect.objectContaining({ dst: '169.254.1.1', dev: 'eth0', scope: 'link' }))
    if (shown) expect(shown).toContainEqual(expect.objectContaining({ dst: '10.21.0.0/16', gateway: '192.0.2.1', table: '1000', flags: ['onlink'] }))
    if (shown) expect(shown.map((route) => String(route['type'])).toSorted()).toEqual(['blackhole', 'prohibit', 'throw', 'unicast', 'unicast', 'unicast', 'unreachable'])
    expect(b.route.routes({ protocol })).toHaveLength(7)
    expect(b.route.routes({ table: 1000 })).toMatchObject([{ type: 'unicast', onlink: true, table: 1000, protocol, ifIndex: eth0 }])
    expect(b.route.routes({ table: 12_345 })).toEqual([])
    const [read] = b.route.routes({ protocol, table: 254, family: 4 }).filter(({ metric }) => metric === 5)
    expect(read).toMatchObject({ mtu: 1400, advertisedMss: 1360, scope: 'global' })
    expect(formatIp(read!.source!)).toBe('10.0.0.2')
    b.route.replaceRoute({ destination: parseCidr('10.20.0.0/16'), via: parseIp('10.0.0.3'), metric: 5, protocol })
    expect(b.route.routes({ protocol, table: 254 }).map((route) => formatCidr(route.destination)).toSorted()).toEqual(['10.20.0.0/16', '169.254.1.1/32'])
    b.route.deleteRoute({ destination: parseCidr('10.20.0.0/16') })
    expect(() => b.route.deleteRoute({ destination: parseCidr('10.20.0.0/16') })).toThrow(expect.toSatisfy(isNotFound))
  })

  it('routes() reads several next hops, and an IPv4 route by an IPv6 router', () => {
    const { index } = a.route.link('weft0')
    a.route.addRoute({ destination: parseCidr('10.30.0.0/16'), nextHops: [{ via: parseIp('10.0.0.7'), ifIndex: index, weight: 3 }, { via: parseIp('10.0.0.8'), ifIndex: index }] })
    a.route.addRoute({ destination: parseCidr('10.31.0.0/16'), via: parseIp('fe80::1'), ifIndex: index })
    const routes = a.route.routes({ family: 4, table: 254 })
    const several = routes.find(({ destination }) => formatCidr(destination) === '10.30.0.0/16')!
    expect(several.nextHops.map(({ via, weight }) => `${formatIp(via!)} ${weight}`)).toEqual(['10.0.0.7 3', '10.0.0.8 1'])
    expect(formatIp(routes.find(({ destination }) => formatCidr(destination) === '10.31.0.0/16')!.via!)).toBe('fe80::1')
    if (hasOracle) expect(ip(a, 'route', 'show', '10.30.0.0/16')).toMatchObject([{ nexthops: [{ gateway: '10.0.0.7', weight: 3 }, { gateway: '10.0.0.8', weight: 1 }] }])
  })

  it('lookupRoute() answers as `ip route get` does', () => {
    expect(formatIp(b.route.lookupRoute(parseIp('10.0.0.9'))!.source!)).toBe('10.0.0.2')
    expect(b.route.lookupRoute(parseIp('203.0.113.1'))).toBeUndefined()
    expect(b.route.lookupRoute(parseIp('::1'))).toMatchObject({ type: 'local', family: 6 })
  })

  it('addRule() rules() deleteRule() keep every part', () => {
    const rule = { family: 4, priority: 100, from: parseCidr('10.0.0.0/8'), to: parseCidr('10.9.0.0/16'), iif: 'eth0', mark: 0x10, mask: 0xff, table: 1000, protocol: 77, suppressPrefixLength: 0 } as const
    b.route.addRule(rule)
    b.route.addRule({ family: 6, priority: 101, action: 'unreachable', invert: true, from: parseCidr('fd00::/64') })
    expect(() => b.route.addRule(rule)).toThrow(expect.toSatisfy(isAlreadyExists))
    expect(b.route.rules({ family: 4 }).find(({ priority }) => priority === 100)).toEqual({ ...rule, action: 'table', invert: false, oif: undefined, ipProtocol: undefined })
    if (hasOracle) expect(ip(b, 'rule', 'show', 'priority', '100')).toMatchObject([{ src: '10.0.0.0', srclen: 8, dst: '10.9.0.0', dstlen: 16, fwmark: '0x10', fwmask: '0xff', iif: 'eth0', table: '1000', suppress_prefixlen: 0 }])
    expect(b.route.rules({ family: 6 }).find(({ priority }) => priority === 101)).toMatchObject({ action: 'unreachable', invert: true })
    b.route.deleteRule(rule)
    expect(() => b.route.deleteRule(rule)).toThrow(expect.toSatisfy(isNotFound))
  })

  it('replaceNeighbour() neighbours() deleteNeighbour() keep permanent and proxy entries', () => {
    const mac = parseMac('02:00:00:00:04:01')
    const entry = { ifIndex: eth0, address: parseIp('169.254.1.1'), mac }
    b.route.replaceNeighbour(entry)
    b.route.replaceNeighbour({ ...entry, address: parseIp('fe80::1') })
    b.route.replaceNeighbour({ ifIndex: eth0, address: parseIp('10.0.0.77'), proxy: true })
    expect(b.route.neighbours({ ifIndex: eth0, family: 4 })).toMatchObject([{ mac, state: 'permanent', proxy: false }])
    expect(b.route.neighbours({ ifIndex: eth0, proxy: true })).toMatchObject([{ proxy: true, mac: undefined }])
    if (hasOracle) expect(ip(b, 'neigh', 'show', 'nud', 'permanent').map((shown) => `${String(shown['dst'])} ${String(shown['lladdr'])}`).toSorted()).toEqual([`169.254.1.1 ${mac}`, `fe80::1 ${mac}`])
    b.route.deleteNeighbour(entry)
    expect(b.route.neighbours({ ifIndex: eth0, family: 4 })).toEqual([])
  })

  it('appendFdb() replaceFdb() fdb() deleteFdb() keep where VXLAN sends', () => {
    const ifIndex = a.route.link('vx-4').index
    const flood = parseMac('00:00:00:00:00:00')
    const mac = parseMac('02:00:00:00:05:01')
    for (const destination of ['10.0.0.8', '10.0.0.9']) a.route.appendFdb({ ifIndex, mac: flood, destination: parseIp(destination) })
    a.route.replaceFdb({ ifIndex, mac, destination: parseIp('10.0.0.8') })
    a.route.replaceFdb({ ifIndex, mac, destination: parseIp('10.0.0.9') })
    const shown = (): string[] => a.route.fdb(ifIndex).map((entry) => `${entry.mac} ${formatIp(entry.destination!)}`).toSorted()
    expect(shown()).toEqual([`${flood} 10.0.0.8`, `${flood} 10.0.0.9`, `${mac} 10.0.0.9`])
    const oracle: Shown[] | undefined = hasOracle ? JSON.parse(a.exec('bridge', ['-j', 'fdb', 'show', 'dev', 'vx-4'])) : undefined
    if (oracle) expect(oracle.map((entry) => `${String(entry['mac'])} ${String(entry['dst'])}`).toSorted()).toEqual(shown())
    a.route.deleteFdb({ ifIndex, mac: flood, destination: parseIp('10.0.0.8') })
    expect(shown()).toEqual([`${flood} 10.0.0.9`, `${mac} 10.0.0.9`])
  })

  it('transact() carries all out and tells each outcome; ensureDone() throws what failed', () => {
    const outcomes = b.route.transact([
      requests.addAddress({ ifIndex: eth0, address: parseIp('10.5.0.1'), prefix: 32 }),
      requests.addAddress({ ifIndex: eth0, address: parseIp('10.5.0.1'), prefix: 32 }),
      requests.deleteRoute({ destination: parseCidr('10.99.0.0/16') }),
      requests.getLink('eth0'),
    ])
    expect(outcomes.map(({ error }) => error?.code)).toEqual([undefined, 'EEXIST', 'ESRCH', undefined])
    expect(outcomes[3]!.messages).toHaveLength(1)
    expect(() => ensureDone(outcomes)).toThrow(AggregateError)
    expect(() => ensureDone(outcomes.slice(0, 2))).toThrow(expect.toSatisfy(isAlreadyExists))
    expect(() => ensureDone(outcomes.slice(0, 1))).not.toThrow()
    expect(b.route.transact([])).toEqual([])
  })

  it('transact() of a thousand requests loses no error', () => {
    const wrong = Array.from({ length: 1000 }, () => requests.deleteRoute({ destination: parseCidr('10.99.0.0/16') }))
    expect(b.route.transact(wrong).filter(({ error }) => error?.code === 'ESRCH')).toHaveLength(1000)
  })

  it('deleteLinks() deletes many, forgives those that are gone, and says which cannot go', async () => {
    const indexes = Array.from({ length: 20 }, (_value, n) => a.route.addLink({ kind: 'veth', name: `many${n}`, peer: { name: `many${n}-peer` } }).index)
    a.route.deleteLink(indexes[0]!)
    await a.route.deleteLinks(indexes)
    await a.route.deleteLinks(indexes)
    expect(a.route.links().some(({ name }) => name.startsWith('many'))).toBe(false)
    const last = a.route.addLink({ kind: 'veth', name: 'many-last', peer: { name: 'many-last-peer' } }).index
    await expect(a.route.deleteLinks([loopbackIfIndex, last])).rejects.toThrow('Cannot delete link 1')
    expect(a.route.findLink(last)).toBeUndefined()
    await a.route.deleteLinks([])
  })

  it('requestAsync() and synchronous requests may overlap on one socket', async () => {
    const { index } = a.route.addLink({ kind: 'veth', name: 'slow', peer: { name: 'slow-peer' } })
    const deleting = a.route.socket.requestAsync(requests.deleteLink(index))
    for (let n = 0; n < 20; n++) expect(a.route.link('weft0').name).toBe('weft0')
    await deleting
    expect(a.route.findLink('slow')).toBeUndefined()
  })
})
