// Run: unshare -Urnm --propagation private node -C dev packages/netlink/bench/wire.bench.ts
import { pathToFileURL } from 'node:url'
import { type BenchCase, interleave } from '@weft/daemon/bench'
import { type IfIndex, type IpAddress, ipFromBits, loopbackIfIndex, parseCidr, parseIp, parseMac } from '@weft/ip'
import { type InterfaceAddressSpec, ensureDone, requests } from '@weft/netlink'
import { TestNamespace, hasPrograms } from '@weft/netlink/testing'

const GATEWAY = parseIp('169.254.1.1')
const HOST_MAC = parseMac('02:00:00:00:00:01')
const POD_MAC = parseMac('02:00:00:00:00:02')

/** Every bench of this package. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in a namespace of its own. */
export async function cases(): Promise<readonly BenchCase[]> {
  return [await roundTrip(), await wirePods(), await deleteLinks(), await readRoutes()]
}

function elapsed(action: () => void): number {
  const start = performance.now()
  action()
  return performance.now() - start
}

function judged(base: Omit<BenchCase, 'ratio' | 'goal' | 'ok'>, atMost: number): BenchCase {
  const ratio = base.peer === undefined ? undefined : base.ours / base.peer
  return { ...base, ratio, goal: `ratio <= ${atMost}`, ok: ratio === undefined ? undefined : ratio <= atMost }
}

/** Ours against `ip`; ours alone where it is not installed. */
async function againstIp(base: Pick<BenchCase, 'name' | 'size' | 'unit' | 'peer_name'>, atMost: number, contest: Parameters<typeof interleave>[0]): Promise<BenchCase> {
  const installed = hasPrograms('ip')
  const { ours, peer } = await interleave(installed ? contest : { ...contest, peer: () => 0 })
  return judged(installed ? { ...base, ours, peer } : { ...base, ours, peer: undefined, peer_name: 'iproute2 is not installed' }, atMost)
}

/** One question about one link, asked of the kernel; the peer is a fork of `ip`. */
async function roundTrip(): Promise<BenchCase> {
  await using ns = await TestNamespace.create()
  const times = 2000
  return await againstIp({ name: 'netlink: read one link', size: '1 link', unit: 'us', peer_name: 'iproute2 (fork, with nsenter)' }, 0.05, {
    rounds: 5,
    ours: () => (elapsed(() => repeat(times, () => ns.route.link(loopbackIfIndex))) / times) * 1000,
    peer: () => (elapsed(() => repeat(5, () => ns.exec('ip', ['link', 'show', 'lo']))) / 5) * 1000,
  })
}

/** What CNI ADD does to the kernel, per pod: veth pair straight into the pod, addresses, routes, neighbour. The peer is `ip -batch` with the same. */
async function wirePods(): Promise<BenchCase> {
  const pods = 20
  return await againstIp({ name: 'netlink: wire a pod', size: `${pods} pods`, unit: 'ms', peer_name: 'ip -batch (two forks)' }, 0.5, {
    rounds: 5,
    ours: () => wiring(pods, (host, pod, number) => wirePod(host, pod, number)),
    peer: () => wiring(pods, (host, pod, number) => forkedWiring(host, pod, number)),
  })
}

async function wiring(pods: number, wire: (host: TestNamespace, pod: TestNamespace, number: number) => void): Promise<number> {
  await using host = await TestNamespace.create()
  const namespaces = await Promise.all(Array.from({ length: pods }, () => TestNamespace.create()))
  const ms = elapsed(() => {
    for (const [number, pod] of namespaces.entries()) wire(host, pod, number)
  })
  for (const pod of namespaces) await pod[Symbol.asyncDispose]()
  return ms / pods
}

function wirePod(host: TestNamespace, pod: TestNamespace, number: number): void {
  const address4 = ipFromBits(4, 0x0af4_0000n + BigInt(number) + 2n)
  const address6 = ipFromBits(6, (0xfd00_0010_0244_0000n << 64n) + BigInt(number) + 2n)
  const link = host.route.addLink({ kind: 'veth', name: `weft${number}`, mac: HOST_MAC, mtu: 1450, up: true, peer: { name: 'eth0', mac: POD_MAC, mtu: 1450, netnsFd: pod.fd } })
  const { index } = pod.route.link('eth0')
  const own = (address: IpAddress, prefix: number): InterfaceAddressSpec => ({ ifIndex: index, address, prefix, noDad: true, noPrefixRoute: true })
  ensureDone(
    pod.route.transact([
      requests.setLink(index, { up: true }),
      requests.addAddress(own(address4, 32)),
      requests.addAddress(own(address6, 128)),
      requests.replaceNeighbour({ ifIndex: index, address: GATEWAY, mac: HOST_MAC }),
      requests.addRoute({ destination: parseCidr('169.254.1.1/32'), ifIndex: index }),
      requests.addRoute({ destination: parseCidr('0.0.0.0/0'), via: GATEWAY, ifIndex: index, source: address4 }),
      requests.addRoute({ destination: parseCidr('::/0'), via: parseIp('fe80::1'), ifIndex: index, source: address6 }),
    ]),
  )
  ensureDone(
    host.route.transact([
      requests.replaceRoute({ destination: parseCidr(`10.244.0.${number + 2}/32`), ifIndex: link.index }),
      requests.replaceNeighbour({ ifIndex: link.index, address: address4, mac: POD_MAC }),
      requests.replaceNeighbour({ ifIndex: link.index, address: address6, mac: POD_MAC }),
    ]),
  )
}

function forkedWiring(host: TestNamespace, pod: TestNamespace, number: number): void {
  host.exec('ip', ['-batch', '-'], `link add weft${number} address ${HOST_MAC} mtu 1450 up type veth peer name eth0 address ${POD_MAC} mtu 1450 netns ${pod.path}
route replace 10.244.0.${number + 2}/32 dev weft${number}
neigh replace 10.244.0.${number + 2} lladdr ${POD_MAC} dev weft${number}
`)
  pod.exec('ip', ['-batch', '-'], `link set eth0 up
address add 10.244.0.${number + 2}/32 dev eth0 noprefixroute
address add fd00:10:244::${(number + 2).toString(16)}/128 dev eth0 nodad noprefixroute
neigh replace 169.254.1.1 lladdr ${HOST_MAC} dev eth0
route add 169.254.1.1 dev eth0
route add default via 169.254.1.1 dev eth0
route add default via fe80::1 dev eth0
`)
}

/** Ours marks the links and deletes their group; the peer is one request per link, as everybody does it. */
async function deleteLinks(): Promise<BenchCase> {
  const size = 20
  await using ns = await TestNamespace.create()
  const make = (): IfIndex[] => Array.from({ length: size }, (_value, n) => ns.route.addLink({ kind: 'veth', name: `v${n}`, peer: { name: `p${n}` } }).index)
  const timed = async (action: (indexes: readonly IfIndex[]) => Promise<unknown>): Promise<number> => {
    const indexes = make()
    const start = performance.now()
    await action(indexes)
    return performance.now() - start
  }
  const figures = await interleave({
    rounds: 3,
    ours: () => timed((indexes) => ns.route.deleteLinks(indexes)),
    peer: () => timed((indexes) => ns.route.socket.batchAsync(indexes.map(requests.deleteLink))),
  })
  return judged({ name: 'netlink: delete links', size: `${size} links`, unit: 'ms', ...figures, peer_name: 'one RTM_DELLINK per link' }, 0.3)
}

/** A table of routes read whole and decoded; the peer is `ip -j route`. */
async function readRoutes(): Promise<BenchCase> {
  const size = 2000
  await using ns = await TestNamespace.create()
  const { index } = ns.route.addLink({ kind: 'bridge', name: 'br0', up: true })
  ensureDone(ns.route.transact(Array.from({ length: size }, (_value, n) => requests.addRoute({ destination: parseCidr(`10.${n >> 8}.${n & 255}.0/24`), ifIndex: index }))))
  return await againstIp({ name: 'netlink: read routes', size: `${size} routes`, unit: 'ms', peer_name: 'ip -j route (fork)' }, 0.5, {
    rounds: 5,
    ours: () => elapsed(() => ns.route.routes({ family: 4, table: 254 })),
    peer: () => elapsed(() => JSON.parse(ns.exec('ip', ['-j', 'route', 'show']))),
  })
}

function repeat(times: number, action: () => void): void {
  for (let n = 0; n < times; n++) action()
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(await cases())
