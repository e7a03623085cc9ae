import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseIp } from '@weft/ip'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClusterFile, configOf, modelOfFile, type NodeLine, readClusterFile } from '../test/cluster-file.ts'
import { compileOverlay } from './compile.ts'
import { formatOverlay } from './format.ts'
import { tunnelMac, vxlanOverheadBytes } from './path.ts'
import { parseNodeName } from '@weft/api'

const goldens = new URL('../test/golden/', import.meta.url)

function textOf(file: ClusterFile): string {
  const model = modelOfFile(file)
  const refused = model.refusals.map(({ node, what, reason }) => `# left out: ${what} of node "${node}" ${reason}\n`)
  return refused.join('') + formatOverlay(compileOverlay(model, configOf(file.config)), 'eth0')
}

describe('compileOverlay()', () => {
  for (const name of readdirSync(goldens)) {
    test(`golden ${name}`, () => {
      const folder = new URL(`${name}/`, goldens)
      const text = textOf(readClusterFile(new URL('nodes.yaml', folder)))
      const want = new URL('want.txt', folder)
      if (process.env['GOLDEN'] === 'write') writeFileSync(want, text)
      expect(text).toBe(readFileSync(want, 'utf8'))
    })
  }

  test('O1 equal objects give equal text in whatever order they come', () => {
    fc.assert(fc.property(clusters.chain((file) => fc.tuple(fc.constant(file), fc.shuffledSubarray([...file.nodes], { minLength: file.nodes.length }), fc.shuffledSubarray([...file.blocks!], { minLength: file.blocks!.length }))), ([file, nodes, blocks]) => {
      expect(textOf({ ...file, nodes, blocks })).toBe(textOf(file))
    }), { numRuns: 100 })
  })

  test('O3 one route for a destination, one neighbour for a next hop, one end for a MAC address, whatever nodes say', () => {
    fc.assert(fc.property(clusters, (file) => {
      const { routes, tunnel, rules } = compileOverlay(modelOfFile(file), configOf(file.config))
      const places = routes.map(({ table, destination }) => `${table} ${destination.family} ${destination.bits}/${destination.prefix}`)
      expect(new Set(places).size).toBe(places.length)
      const hops = tunnel?.neighbours.map(({ address }) => `${address.family} ${address.bits}`) ?? []
      expect(new Set(hops).size).toBe(hops.length)
      const ends = tunnel?.forwarding.map(({ mac }) => mac) ?? []
      expect(new Set(ends).size).toBe(ends.length)
      expect(new Set(rules.map(({ from }) => `${from.family} ${from.bits}/${from.prefix}`)).size).toBe(rules.length)
      // Every next hop inside the tunnel has its neighbour, and that one its end.
      for (const route of routes) {
        if (route.device !== 'vxlan') continue
        const hop = tunnel!.neighbours.find(({ address }) => address.family === route.via!.family && address.bits === route.via!.bits)
        expect(tunnel!.forwarding.some(({ mac }) => mac === hop?.mac)).toBe(true)
      }
    }), { numRuns: 100 })
  })

  test('O3 all nodes agree on the owner of every range', () => {
    fc.assert(fc.property(clusters, (file) => {
      const owners = new Map<string, string>()
      for (const { name, ips } of file.nodes) {
        if (ips.length === 0) continue
        // One uplink network for all, so only what the objects say counts.
        let model
        try {
          model = modelOfFile({ ...file, node: name, uplink: { addresses: ['192.0.2.1/32'] } })
        } catch {
          continue
        }
        for (const node of [model.self, ...model.peers]) {
          for (const { bits, prefix, family } of node.podCidrs) {
            const range = `${family} ${bits}/${prefix}`
            // Who has the same address as another may see itself as the holder; ranges have one owner all the same.
            expect(owners.get(range) ?? node.name).toBe(node.name)
            owners.set(range, node.name)
          }
        }
      }
    }), { numRuns: 100 })
  })

  test('a small uplink still gives IPv6 its 1280 bytes', () => {
    const file = readClusterFile(new URL('one-link/nodes.yaml', goldens))
    const state = compileOverlay(modelOfFile({ ...file, uplink: { ...file.uplink, mtu: 1280 } }), configOf())
    expect(state.podMtuBytes).toBe(1280)
    expect(state.tunnel!.mtuBytes).toBe(1280)
  })
})

describe('tunnelMac()', () => {
  test('is locally administered, unicast and the same on every node', () => {
    fc.assert(fc.property(fc.nat().map((number) => parseNodeName(`n${number}`)), (name) => {
      const first = Number.parseInt(tunnelMac(name).slice(0, 2), 16)
      expect(first & 0b11).toBe(0b10)
      expect(tunnelMac(name)).toBe(tunnelMac(name))
    }))
    expect(tunnelMac(parseNodeName('n1'))).not.toBe(tunnelMac(parseNodeName('n2')))
  })
})

test('vxlanOverheadBytes() is what RFC 7348 adds', () => {
  expect([vxlanOverheadBytes(4), vxlanOverheadBytes(6)]).toEqual([50, 70])
  expect(parseIp('10.0.0.1').family).toBe(4)
})

/** Clusters that quarrel: few names, addresses and ranges, so that many are claimed twice. */
const address = fc.constantFrom('172.30.1.11', '172.30.1.12', '172.30.1.13', '172.30.2.13', '172.30.2.14', '10.244.1.9', 'fd00:172:30:1::11', 'fd00:172:30:2::13')
const range = fc.constantFrom('10.244.0.0/16', '10.244.1.0/24', '10.244.1.64/26', '10.244.2.0/24', '10.244.3.0/24', '172.30.1.0/24', '0.0.0.0/0', 'fd00:10:244:1::/64', 'fd00:10:244:2::/64', '127.0.0.0/8')
const others: fc.Arbitrary<NodeLine[]> = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'n2', 'n3', 'z'), ips: fc.uniqueArray(address, { maxLength: 2 }), podCIDRs: fc.uniqueArray(range, { maxLength: 3 }) }), { selector: ({ name }) => name, maxLength: 5 })
const clusters: fc.Arbitrary<ClusterFile> = fc.record({
  node: fc.constant('n1'),
  config: fc.record({ mode: fc.constantFrom('auto', 'direct', 'vxlan') }),
  uplink: fc.constantFrom({ addresses: ['172.30.1.11/24'] }, { addresses: ['172.30.1.11/24', 'fd00:172:30:1::11/64'] }),
  nodes: others.map((nodes) => [{ name: 'n1', ips: ['172.30.1.11', 'fd00:172:30:1::99'], podCIDRs: ['10.244.7.0/24', 'fd00:10:244:7::/64'] }, ...nodes]),
  blocks: fc.uniqueArray(fc.record({ cidr: fc.constantFrom('10.244.1.64/26', '10.244.1.128/26', '10.244.9.0/26', '10.244.7.0/26'), node: fc.constantFrom('a', 'n1', 'n2', '', 'gone') }), { selector: ({ cidr }) => cidr, maxLength: 4 }),
})
