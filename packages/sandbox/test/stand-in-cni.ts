// A network plugin for the sandbox's own tests: one veth per pod, host routes on the node, no NAT, no policy.
// Configuration: `subnets` of the node; addresses are handed out in the order of ADDs, counted in a file.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { cidrFrom, ipFromBits, parseCidr, parseIp, parseMac } from '@weft/ip'
import { RouteSocket, writeSysctls } from '@weft/netlink'

interface Config {
  readonly cniVersion: string
  readonly subnets: readonly string[]
  readonly counterFile: string
  readonly refuseFile?: string
}

const config: Config = JSON.parse(readFileSync(0, 'utf8'))
const { CNI_COMMAND: command, CNI_CONTAINERID: id = '', CNI_NETNS: netns = '', CNI_IFNAME: ifname = '' } = process.env
const link = `std${id.slice(0, 8)}`
const gateways = { 4: parseIp('169.254.1.1'), 6: parseIp('fe80::1') } as const
const hostMac = parseMac('02:00:00:00:00:01')

if (command === 'ADD') await add()
else if (command === 'DEL') remove()
else if (command === 'CHECK') check()
else if (command === 'STATUS' && exists(config.refuseFile)) fail(50, 'told to refuse')

async function add(): Promise<void> {
  if (exists(config.refuseFile)) fail(11, 'told to refuse')
  const index = count()
  const ips = config.subnets.map((text) => {
    const subnet = parseCidr(text)
    return ipFromBits(subnet.family, subnet.bits + BigInt(index))
  })
  using here = RouteSocket.openHere()
  const netnsFd = openSync(netns, 'r')
  here.addLink({ kind: 'veth', name: link, mac: hostMac, up: true, peer: { name: ifname, netnsFd } })
  closeSync(netnsFd)
  await writeSysctls(undefined, { [`net.ipv4.conf.${link}.proxy_arp`]: '1' })
  const host = here.link(link).index
  using there = await RouteSocket.open({ netns })
  const pod = there.link(ifname)
  there.setLink(pod.index, { up: true })
  for (const ip of ips) {
    there.addAddress({ ifIndex: pod.index, address: ip, prefix: ip.family === 4 ? 32 : 128, noDad: true })
    const gateway = gateways[ip.family]
    there.replaceNeighbour({ ifIndex: pod.index, address: gateway, mac: hostMac, state: 'permanent' })
    there.addRoute({ destination: parseCidr(ip.family === 4 ? '0.0.0.0/0' : '::/0'), via: gateway, ifIndex: pod.index, onlink: true })
    here.replaceNeighbour({ ifIndex: host, address: ip, mac: pod.mac!, state: 'permanent' })
    here.addRoute({ destination: cidrFrom(ip, ip.family === 4 ? 32 : 128), ifIndex: host })
  }
  const { formatIp } = await import('@weft/ip')
  process.stdout.write(JSON.stringify({ cniVersion: config.cniVersion, interfaces: [{ name: link }, { name: ifname, sandbox: netns }], ips: ips.map((ip) => ({ address: `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`, interface: 1 })) }))
}

function remove(): void {
  using here = RouteSocket.openHere()
  const found = here.findLink(link)
  if (found !== undefined) here.deleteLink(found.index)
}

function check(): void {
  using here = RouteSocket.openHere()
  if (here.findLink(link) === undefined) fail(999, `link ${link} is gone`)
}

function count(): number {
  let next = 2
  try {
    next = Number(readFileSync(config.counterFile, 'utf8'))
  } catch {
    // The first one.
  }
  writeFileSync(config.counterFile, String(next + 1))
  return next
}

function exists(path: string | undefined): boolean {
  try {
    if (path !== undefined) readFileSync(path)
    return path !== undefined
  } catch {
    return false
  }
}

function fail(code: number, msg: string): never {
  process.stdout.write(JSON.stringify({ cniVersion: config.cniVersion, code, msg }))
  process.exit(1)
}
