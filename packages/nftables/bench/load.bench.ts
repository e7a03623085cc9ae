// What it costs to load the Services of a cluster, and to change one endpoint: flat maps over netlink against kube-proxy's chains through `nft -f`.
// Run it as `unshare -Urnm --propagation private`; as root without -U, for only then can nft load kube-proxy's larger tables. Without nft there is no peer.
import { existsSync } from 'node:fs'
import type { BenchCase } from '@weft/daemon/bench'
import { median } from '@weft/daemon/bench'
import { formatIp, ipFromBits, type Ipv4 } from '@weft/ip'
import { TestNamespace } from '@weft/netlink/testing'
import { baseChain, bitAnd, chain, concat, diffTable, dnat, goTo, ip, lookup, map, type MapElement, meta, NftSocket, numgen, oneOf, rule, setMark, type Table, table, th, Transaction, typeOf, vmap } from '../src/index.ts'

const endpointsPerService = 3
const hasNft = existsSync('/usr/sbin/nft')
let peerName = hasNft ? "kube-proxy's chains, nft -f" : 'nft is not installed'

const serviceAddress = (n: number): Ipv4 => ipFromBits(4, 0x0a60_0000n + BigInt(n))
const podAddress = (n: number): Ipv4 => ipFromBits(4, 0x0b00_0000n + BigInt(n))

function flatTable(services: number): Table {
  const declared = { service: map('service', { key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'] }), endpoint: endpointMap }
  const service = { ...declared.service, elements: Array.from({ length: services }, (_, n): MapElement => ({ key: [serviceAddress(n), 'tcp', 80], data: endpointsPerService })) }
  const endpoint = {
    ...declared.endpoint,
    elements: Array.from({ length: services * endpointsPerService }, (_, n): MapElement => endpointElement(Math.trunc(n / endpointsPerService), n % endpointsPerService, n)),
  }
  const balance = map('balance', { key: ['mark'], data: 'verdict', elements: [{ key: endpointsPerService, data: goTo('lb3') }] })
  return table({
    name: 'bench', maps: [service, endpoint, balance],
    chains: [
      chain('lb3', [rule(oneOf(meta.l4proto, ['tcp', 'udp']), dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport, numgen('random', endpointsPerService)), endpoint) }))]),
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: -100 }, [
        rule(setMark(lookup(concat(ip.daddr, meta.l4proto, th.dport), service)), vmap(bitAnd(meta.mark, 0xff), balance)),
      ]),
    ],
  })
}

const endpointMap = map('endpoint', { key: typeOf(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv4_addr', 'inet_service'] })

function endpointElement(service: number, index: number, pod: number): MapElement {
  return { key: [serviceAddress(service), 'tcp', 80, index], data: [podAddress(pod), 8080] }
}

function kubeProxyTable(services: number): string {
  const lines = ['table ip kube-proxy {', 'map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }', 'chain mark-for-masquerade { mark set mark or 0x4000; }']
  for (let n = 0; n < services; n++) {
    const verdicts: string[] = []
    for (let e = 0; e < endpointsPerService; e++) {
      const pod = formatIp(podAddress(n * endpointsPerService + e))
      lines.push(`chain endpoint-${n}-${e} { ip saddr ${pod} jump mark-for-masquerade; meta l4proto tcp dnat to ${pod}:8080; }`)
      verdicts.push(`${e} : goto endpoint-${n}-${e}`)
    }
    lines.push(`chain service-${n} { numgen random mod ${endpointsPerService} vmap { ${verdicts.join(', ')} }; }`)
  }
  lines.push('chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }', 'chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }', '}')
  const elements = Array.from({ length: services }, (_, n) => `${formatIp(serviceAddress(n))} . tcp . 80 : goto service-${n}`)
  return `${lines.join('\n')}\nadd element ip kube-proxy service-ips { ${elements.join(', ')} }\n`
}

function milliseconds(run: () => void): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

function result(name: string, size: string, figures: { readonly ours: readonly number[], readonly peer: readonly number[], readonly goal: number }): BenchCase {
  const ours = median(figures.ours)
  const peer = figures.peer.length === 0 ? undefined : median(figures.peer)
  const ratio = peer === undefined ? undefined : ours / peer
  return { name, size, unit: 'ms', ours, peer, peer_name: peerName, ratio, goal: `ratio <= ${figures.goal}`, ok: ratio === undefined ? undefined : ratio <= figures.goal }
}

async function loadAndChange(services: number, options: { readonly rounds: number, readonly changes: number }): Promise<BenchCase[]> {
  const load = { ours: [] as number[], peer: [] as number[] }
  const change = { ours: [] as number[], peer: [] as number[] }
  // The first round warms up; kube-proxy's shape at 10,000 services takes too long for that.
  for (let round = 0; round <= options.rounds; round++) {
    await using ns = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: ns.path })
    const desired = flatTable(services)
    const ours = milliseconds(() => nft.commit(diffTable(undefined, desired)))
    const changed = Array.from({ length: options.changes }, (_, n) => {
      const element = endpointElement(n % services, 0, services * endpointsPerService + n)
      return milliseconds(() => nft.commit(new Transaction(desired).deleteElements(endpointMap, [element]).addElements(endpointMap, [element])))
    })
    if (round === 0) continue
    load.ours.push(ours)
    change.ours.push(median(changed))
    if (!hasNft) continue
    const text = kubeProxyTable(services)
    try {
      load.peer.push(milliseconds(() => ns.exec('nft', ['-f', '-'], text)))
    } catch (error) {
      if (!String(error).includes('Message too long')) throw error
      peerName = 'nft cannot: it sends one batch and needs root to make the buffer larger'
      continue
    }
    change.peer.push(median(Array.from({ length: Math.min(options.changes, 10) }, (_, n) => {
      const pod = formatIp(podAddress(services * endpointsPerService + n))
      const edit = `flush chain ip kube-proxy endpoint-0-0\nadd rule ip kube-proxy endpoint-0-0 ip saddr ${pod} jump mark-for-masquerade\nadd rule ip kube-proxy endpoint-0-0 meta l4proto tcp dnat to ${pod}:8080\n`
      return milliseconds(() => ns.exec('nft', ['-f', '-'], edit))
    })))
  }
  const size = `${services} services x ${endpointsPerService}`
  return [
    ...(services >= 1000 ? [result('load all Services', size, { ...load, goal: 0.1 })] : []),
    result('change one endpoint', size, { ...change, goal: 0.05 }),
  ]
}

/** Every case; about half a minute, most of it the peer's 10,000 services. */
export async function cases(): Promise<readonly BenchCase[]> {
  return [
    ...(await loadAndChange(10, { rounds: 5, changes: 100 })),
    ...(await loadAndChange(1000, { rounds: 3, changes: 100 })),
    ...(await loadAndChange(10_000, { rounds: 1, changes: 100 })),
  ]
}

if (import.meta.main) console.table(await cases())
