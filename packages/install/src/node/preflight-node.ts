import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { dnsPort, links, tables } from '@weft/api'
import { conflistName } from '@weft/cni'
import { type Capability, probeCapabilities, type RouteSocket } from '@weft/netlink'
import type { Nft } from '@weft/nftables'
import { failure, fine, type Finding, warning } from './finding.ts'

export interface PreflightOptions {
  readonly route: RouteSocket
  readonly nft: Nft
  /** Where the machine's own files are, e.g. `/host` in a container, `/` on the machine. */
  readonly root: string
  /** @default what this kernel answers */
  readonly capabilities?: readonly Capability[] | undefined
}

/** Without these no pod can be wired, or no Service answers. */
const needed: ReadonlySet<string> = new Set(['veth', 'nf_tables inet', 'nft nat chain', 'nft route chain', 'nft numgen', 'nft fib', 'nft notrack', 'nft masq'])
const minimumKernel = [5, 10] as const
/** Attachments, spool and addresses of the API server; more is only wanted while SQLite writes. */
const minimumFreeBytes = 64 * 1024 * 1024
/** Where those are, and where that will be: each may be a file system of its own. */
const stateFolders = ['var/lib/cni/weft', 'var/lib/cni', 'var/lib'] as const
/** IPv6 needs 1280 bytes within the tunnel, whose headers are 50 bytes with IPv4 underneath and 70 with IPv6. */
const minimumMtuBytes = 1350

/** Links that other networks make, and whose they are. */
const foreignLinks: readonly (readonly [RegExp, string])[] = [
  [/^cali[0-9a-f]{11}$|^vxlan\.calico$|^tunl0$/, 'Calico'], [/^cilium_|^lxc[0-9a-f]/, 'Cilium'], [/^flannel/, 'flannel'], [/^weave$|^vethwe/, 'Weave Net'],
  [/^antrea-|^ovs-system$/, 'Antrea or Open vSwitch'], [/^kube-bridge$/, 'kube-router'], [/^cni0$/, 'a bridge network'],
]

/** Looks at this machine: what Weft needs, and what would get in its way. Nothing is changed. */
export async function preflightNode({ route, nft, root, capabilities }: PreflightOptions): Promise<readonly Finding[]> {
  return [
    kernel(capabilities ?? await probeCapabilities()),
    mtu(route),
    otherNetworks(route, root),
    kubeProxy(nft),
    forwardDrop(nft),
    networkManagers(root),
    ports(root, nft),
    await disk(root),
  ]
}

function kernel(capabilities: readonly Capability[]): Finding {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  if (major < minimumKernel[0] || (major === minimumKernel[0] && minor < minimumKernel[1])) return failure('kernel', `Linux ${release()} is older than ${minimumKernel.join('.')}`, `update the kernel to ${minimumKernel.join('.')} or newer`)
  const missing = capabilities.filter(({ name, present }) => needed.has(name) && present === false)
  if (missing.length > 0) return failure('kernel', `the kernel has no ${missing.map(({ name }) => name).join(', ')}`, `load the modules, or run a kernel built with ${[...new Set(missing.map(({ options }) => options))].join(', ')}`)
  const unknown = capabilities.filter(({ name, present }) => needed.has(name) && present === undefined)
  if (unknown.length > 0) return warning('kernel', `not allowed to ask for ${unknown.map(({ name }) => name).join(', ')}`, 'let the preflight have NET_ADMIN')
  const lesser = capabilities.filter(({ name, present }) => present === false && name.startsWith('vx'))
  return lesser.length > 0 ? warning('kernel', `no ${lesser.map(({ name }) => name).join(', ')}`, lesser.map(({ without }) => without).join('; ')) : fine('kernel', `Linux ${release()}`)
}

function mtu(route: RouteSocket): Finding {
  const uplinks = route.links().filter(({ index }) => route.routes().some((each) => each.destination.prefix === 0 && each.ifIndex === index))
  const small = uplinks.find((link) => link.mtu < minimumMtuBytes)
  if (small !== undefined) return warning('mtu', `${small.name} carries ${small.mtu} bytes`, `IPv6 pods across routers need ${minimumMtuBytes}; raise the MTU of the link`)
  return uplinks.length > 0 ? fine('mtu', uplinks.map((link) => `${link.name} ${link.mtu}`).join(', ')) : warning('mtu', 'there is no default route', 'other nodes must be reachable by a route of their own')
}

function otherNetworks(route: RouteSocket, root: string): Finding {
  const folder = join(root, 'etc/cni/net.d')
  const configurations = (existsSync(folder) ? readdirSync(folder) : []).filter((name) => /\.(conf|conflist|json)$/.test(name) && name !== conflistName)
  const owners = new Set(route.links().flatMap(({ name }) => foreignLinks.filter(([pattern]) => pattern.test(name)).map(([, owner]) => owner)))
  if (configurations.length > 0) {
    const before = configurations.filter((name) => name < conflistName)
    const detail = `another network is configured: ${configurations.join(', ')}`
    if (owners.size > 0) return failure('other-networks', `${detail}; links of ${[...owners].join(', ')} are there, so pods may have addresses that Weft would give out again`, `drain the node, remove ${configurations.map((name) => join('/etc/cni/net.d', name)).join(', ')} and restart the machine`)
    return before.length > 0 ? failure('other-networks', `${detail}; the runtime takes ${before[0]!} first`, `remove the other network, or ${join('/etc/cni/net.d', before[0]!)}`) : warning('other-networks', detail, 'its pods keep their addresses until they are started again; remove it when none is left')
  }
  if (owners.size > 0) return warning('other-networks', `links of ${[...owners].join(', ')} are there`, 'remove what the other network left, or restart the machine')
  return fine('other-networks', 'none')
}

function kubeProxy(nft: Nft): Finding {
  const found = [['ip', 'kube-proxy'], ['ip6', 'kube-proxy']].find(([family, name]) => exists(nft, family as 'ip', name!))
  if (found !== undefined || hasChain(nft, 'nat', 'KUBE-SERVICES')) return warning('kube-proxy', 'rules of kube-proxy are in the kernel', 'Weft takes its work over; install with kube-proxy removed, or let `weft install --replace-kube-proxy` do it')
  return fine('kube-proxy', 'none')
}

/** An accept of ours does not outweigh a drop in somebody else's chain. */
function forwardDrop(nft: Nft): Finding {
  const dropping = ([['ip', 'filter'], ['ip6', 'filter'], ['inet', 'filter'], ['inet', 'firewalld']] as const).filter(([family, name]) => {
    const chains = read(nft, family, name)?.table.chains ?? []
    return chains.some(({ base }) => base?.hook === 'forward' && base.policy === 'drop')
  })
  if (dropping.length === 0) return fine('forward-drop', 'forwarded packets are accepted')
  return failure('forward-drop', `table ${dropping.map((table) => table.join(' ')).join(', ')} drops what is forwarded`, 'accept it: iptables -P FORWARD ACCEPT (and ip6tables), or a rule for the ranges of pods; Docker 28 and firewalld set this policy')
}

function networkManagers(root: string): Finding {
  const found: string[] = []
  const remedies: string[] = []
  if (existsSync(join(root, 'run/systemd/netif/state')) && !setting(root, /^\s*ManageForeignRoutes\s*=\s*(no|false|0)/m)) {
    found.push('systemd-networkd deletes routes and rules that are not its own when it restarts')
    remedies.push('ManageForeignRoutes=no and ManageForeignRoutingPolicyRules=no in /etc/systemd/networkd.conf')
  }
  if (existsSync(join(root, 'run/NetworkManager')) && !configured(root, 'etc/NetworkManager/conf.d', /unmanaged-devices=.*interface-name:weft/)) {
    found.push('NetworkManager manages new links')
    remedies.push(`unmanaged-devices=interface-name:${links.podPrefix}*;interface-name:${links.vxlan} in /etc/NetworkManager/conf.d/weft.conf`)
  }
  return found.length === 0 ? fine('network-managers', 'none interferes') : warning('network-managers', found.join('; '), remedies.join('; '))
}

/** Ports of programs that run beside Weft's; a node that has Weft already listens there itself. */
function ports(root: string, nft: Nft): Finding {
  if (Object.values(tables).some((name) => exists(nft, 'inet', name))) return fine('ports', 'Weft is on this node already')
  const taken = ['udp', 'udp6', 'tcp', 'tcp6'].filter((protocol) => listening(root, protocol).has(dnsPort))
  return taken.length === 0 ? fine('ports', `${dnsPort} is free`) : failure('ports', `${taken.join(', ')} port ${dnsPort} is in use`, 'stop the program that listens there: it is the port of the DNS server')
}

async function disk(root: string): Promise<Finding> {
  const folder = stateFolders.find((each) => existsSync(join(root, each)))
  if (folder === undefined) return fine('disk', 'not looked at')
  if (isReadOnly(join(root, folder))) return failure('disk', `/${folder} is on a file system that cannot be written`, 'find out why the kernel made it read-only (dmesg), and remount it: attachments of pods are kept there')
  const { bavail, bsize } = await statfs(join(root, folder))
  const free = bavail * bsize
  const text = `${Math.floor(free / 1024 / 1024)} MiB free in /${folder}`
  return free < minimumFreeBytes ? failure('disk', text, `free ${minimumFreeBytes / 1024 / 1024} MiB: attachments of pods are kept there`) : fine('disk', text)
}

/** Whether the file system itself is: preflight sees the folders of the machine through mounts that are, in any case. */
function isReadOnly(folder: string): boolean {
  // Of mount points that lead there the last is on top; behind the dash are type, source and options of the file system (proc(5)).
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map((line) => line.split(' '))
  const holder = mounts.findLast(([, , , , point = '']) => folder === point || folder.startsWith(point.endsWith('/') ? point : `${point}/`))
  return holder?.at(-1)?.split(',').includes('ro') === true
}

/** Local ports of a protocol, from the kernel's own table: state 0A listens, and UDP has no other. */
function listening(root: string, protocol: string): ReadonlySet<number> {
  const path = join(root, 'proc/net', protocol)
  const text = readFileSync(existsSync(path) ? path : `/proc/net/${protocol}`, 'utf8')
  return new Set(text.trim().split('\n').slice(1).map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => protocol.startsWith('udp') || state === '0A').map(([, local]) => Number.parseInt(local!.slice(local!.lastIndexOf(':') + 1), 16)))
}

function setting(root: string, pattern: RegExp): boolean {
  const file = join(root, 'etc/systemd/networkd.conf')
  return (existsSync(file) && pattern.test(readFileSync(file, 'utf8'))) || configured(root, 'etc/systemd/networkd.conf.d', pattern)
}

function configured(root: string, folder: string, pattern: RegExp): boolean {
  const path = join(root, folder)
  return existsSync(path) && readdirSync(path).some((name) => pattern.test(readFileSync(join(path, name), 'utf8')))
}

type Family = Parameters<Nft['read']>[0]

/** A table of others may hold what this reader does not know: then all it tells is that it is there. */
function read(nft: Nft, family: Family, name: string): ReturnType<Nft['read']> {
  try {
    return nft.read(family, name)
  } catch {
    return undefined
  }
}

function exists(nft: Nft, family: Family, name: string): boolean {
  try {
    return nft.read(family, name) !== undefined
  } catch {
    return true
  }
}

function hasChain(nft: Nft, table: string, chain: string): boolean {
  return (['ip', 'ip6'] as const).some((family) => read(nft, family, table)?.table.chains.some(({ name }) => name === chain) === true)
}
