import { formatCidr, formatIp } from '@weft/ip'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toClusterNetworkPolicy } from './cluster-network-policy.ts'
import { toEndpointSlice } from './endpoint-slice.ts'
import { InvalidObjectError } from './invalid-object.ts'
import { ipBlockName, toIpBlock, toIpPool } from './ip-pool.ts'
import { toNamespace } from './namespace.ts'
import { toNetworkPolicy } from './network-policy.ts'
import { toNode } from './node.ts'
import { toPod } from './pod.ts'
import { toService } from './service.ts'

const metadata = { namespace: 'default', name: 'web', uid: 'u1', resourceVersion: '7', labels: { app: 'web' } }
const valid = {
  pod: { metadata, spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 80 }] }], initContainers: [{ restartPolicy: 'Always', ports: [{ containerPort: 81, protocol: 'UDP' }] }, { ports: [{ containerPort: 82 }] }] }, status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], conditions: [{ type: 'Ready', status: 'True' }] } },
  node: { metadata: { name: 'n1' }, spec: { podCIDRs: ['10.244.1.0/24', 'fd00::/64'] }, status: { addresses: [{ type: 'Hostname', address: 'n1' }, { type: 'InternalIP', address: '172.30.1.11' }] } },
  namespace: { metadata: { name: 'default', labels: { a: 'b' } } },
  service: { metadata, spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv4'], ports: [{ name: 'http', port: 80, nodePort: 30080 }], externalIPs: ['203.0.113.9'], sessionAffinity: 'ClientIP', loadBalancerSourceRanges: ['10.0.0.7/8'] }, status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { hostname: 'lb' }, { ip: '203.0.113.2', ipMode: 'Proxy' }] } } },
  slice: { metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'web' } }, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: null, terminating: true }, targetRef: { kind: 'Pod', name: 'p' } }], ports: [{ name: 'http', port: 8080 }, { name: 'any' }] },
  policy: { metadata, spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.7/8', except: ['10.1.0.0/16'] } }, { namespaceSelector: {} }], ports: [{ port: 80, endPort: 90 }, { port: 'http', protocol: 'UDP' }] }] } },
  clusterPolicy: { metadata: { name: 'admin' }, spec: { tier: 'Admin', priority: 5, subject: { namespaces: {} }, egress: [{ name: 'out', action: 'Accept', to: [{ networks: ['10.0.0.7/8'] }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }] } },
  pool: { metadata: { name: 'default' }, spec: { cidr: '10.244.0.0/16' } },
  block: { metadata: { name: '10-244-0-0-26' }, spec: { cidr: '10.244.0.0/26', pool: 'default', node: 'n1' } },
}
const trimmers: Readonly<Record<keyof typeof valid, (object: unknown) => unknown>> = {
  pod: toPod, node: toNode, namespace: toNamespace, service: toService, slice: toEndpointSlice, policy: toNetworkPolicy, clusterPolicy: toClusterNetworkPolicy, pool: toIpPool, block: toIpBlock,
}
/** A copy of an object with one field changed. */
function withField(object: object, path: string | readonly string[], value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(object)) as Record<string, unknown>
  const keys = typeof path === 'string' ? path.split('.') : path
  let at = copy
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[keys.at(-1)!] = value
  return copy
}

describe('A1 trimmers keep what is used', () => {
  test('toPod()', () => {
    const pod = toPod(valid.pod)
    expect(pod).toMatchObject({ namespace: 'default', name: 'web', uid: 'u1', nodeName: 'n1', hostNetwork: false, finished: false, ready: true, hostname: '' })
    expect(pod.ips.map(formatIp)).toEqual(['10.0.0.1', 'fd00::1'])
    // Sidecars have ports, other init containers are over when the pod runs.
    expect(pod.ports.map(({ port }) => port)).toEqual([80, 81])
    expect(toPod(withField(valid.pod, 'status.phase', 'Failed')).finished).toBe(true)
    // Not scheduled: no name may equal what has none.
    for (const none of ['', null]) expect(toPod(withField(valid.pod, 'spec.nodeName', none)).nodeName).toBeUndefined()
    expect([pod.staticUid, toPod(withField(valid.pod, 'metadata.annotations', { 'kubernetes.io/config.mirror': 'of-the-file' })).staticUid]).toEqual([undefined, 'of-the-file'])
  })
  test('toNode()', () => {
    const node = toNode(valid.node)
    expect([node.internalIps.map(formatIp), node.podCidrs.map(formatCidr)]).toEqual([['172.30.1.11'], ['10.244.1.0/24', 'fd00::/64']])
    expect(toNode({ metadata: { name: 'n' }, spec: { podCIDR: '10.0.0.0/24' } }).podCidrs.map(formatCidr)).toEqual(['10.0.0.0/24'])
  })
  test('toService()', () => {
    const service = toService(valid.service)
    expect(service).toMatchObject({ type: 'ClusterIP', headless: false, affinitySeconds: 10_800, externalTrafficPolicy: 'Cluster', ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }] })
    expect(service.loadBalancerIps.map(formatIp)).toEqual(['203.0.113.1'])
    expect(service.loadBalancerSourceRanges.map(formatCidr)).toEqual(['10.0.0.0/8'])
    expect(toService(withField(valid.service, 'spec.clusterIP', 'None'))).toMatchObject({ headless: true, clusterIps: [] })
  })
  test('toEndpointSlice()', () => {
    const slice = toEndpointSlice(valid.slice)
    // An absent `ready` means ready (discovery/v1); a port without number is any port, which nobody serves.
    expect(slice).toMatchObject({ serviceName: 'web', family: 4, endpoints: [{ ready: true, serving: true, terminating: true, pod: 'default/p' }], ports: [{ name: 'http', port: 8080 }] })
    expect(toEndpointSlice(withField(valid.slice, 'addressType', 'FQDN')).endpoints).toEqual([])
  })
  test('toNetworkPolicy()', () => {
    const { ingress, egress } = toNetworkPolicy(valid.policy)
    expect(egress).toEqual([])
    expect(ingress).toMatchObject([{ peers: [{ kind: 'ipBlock' }, { kind: 'pods', namespaces: [], pods: undefined }], ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { protocol: 'UDP', port: 'http' }] }])
    expect(toNetworkPolicy({ metadata, spec: { podSelector: {} } })).toMatchObject({ ingress: [], egress: undefined })
    expect(toNetworkPolicy({ metadata, spec: { podSelector: {}, egress: [] } })).toMatchObject({ ingress: [], egress: undefined })
  })
  test('toIpPool() and toIpBlock()', () => {
    expect(toIpPool(valid.pool)).toMatchObject({ blockPrefix: 26, disabled: false })
    expect(toIpBlock(valid.block)).toMatchObject({ pool: 'default', node: 'n1' })
    expect(toIpBlock(withField(valid.block, 'spec.node', '')).node).toBeUndefined()
  })
})

describe('A2 trimmers refuse, with the object and the field named', () => {
  const bad: readonly (readonly [keyof typeof valid, string, unknown, string])[] = [
    ['pod', 'metadata.name', '', 'metadata.name is empty'],
    ['policy', 'metadata.name', '', 'metadata.name is empty'],
    ['clusterPolicy', 'metadata.name', undefined, 'metadata.name is missing'],
    ['pod', 'metadata.labels', { a: 1 }, 'has a value for "a" that is not a string'],
    ['pod', 'status.podIPs', [{ ip: '10.0.0.256' }], 'status.podIPs[0].ip'],
    ['pod', 'status.podIPs', { 0: { ip: '10.0.0.1' } }, 'is not a list'],
    ['pod', 'spec.hostNetwork', 'false', 'is not a boolean'],
    ['pod', 'spec.containers', [{ ports: [{ containerPort: 0 }] }], 'wanted an integer from 1 to 65535'],
    ['node', 'metadata.name', 'N1', 'metadata.name is "N1"'],
    ['pod', 'metadata.uid', undefined, 'metadata.uid is missing'],
    ['pod', 'metadata.uid', '', 'metadata.uid is ""'],
    ['pod', 'spec.nodeName', 'n1/x', 'spec.nodeName is "n1/x"'],
    ['slice', 'endpoints', [{ addresses: ['10.0.0.1'], nodeName: 'n 1' }], 'endpoints[0].nodeName'],
    ['slice', 'endpoints', [{ addresses: ['10.0.0.1'], hints: { forNodes: [{ name: '' }] } }], 'endpoints[0].hints.forNodes[0].name'],
    ['block', 'spec.node', '*', 'spec.node is "*"'],
    ['node', 'spec.podCIDRs', ['10.244.1.0'], 'spec.podCIDRs[0]'],
    ['node', 'status.addresses', [{ type: 'InternalIP', address: '127.0.0.1' }], 'no address of an endpoint'],
    ['service', 'spec.clusterIPs', ['127.0.0.1'], 'no address of an endpoint'],
    ['service', 'spec.externalIPs', ['::ffff:127.0.0.1'], 'no address of an endpoint'],
    ['service', 'spec.ports', [{ port: 80, nodePort: 65536 }], 'spec.ports[0].nodePort'],
    ['service', 'spec.type', 'constructor', 'wanted one of'],
    ['service', 'spec.loadBalancerSourceRanges', ['10.0.0.0/33'], 'spec.loadBalancerSourceRanges[0]'],
    ['slice', 'endpoints', [{ addresses: ['169.254.169.254'] }], 'endpoints[0].addresses[0]'],
    ['slice', 'endpoints', [{ addresses: ['224.0.0.1'] }], 'multicast'],
    ['slice', 'endpoints', [{ addresses: ['fd00::1'] }], 'wanted an address of type IPv4'],
    ['slice', 'endpoints', [null], 'endpoints[0] is null'],
    ['pool', 'spec.cidr', '10.244.0.7/16', 'spec.cidr'],
    ['pool', 'spec.blockPrefix', 40, 'spec.blockPrefix'],
    ['pool', 'spec', { cidr: 'fd00::/32', blockPrefix: 64 }, 'more than a million'],
    ['block', 'metadata.name', '10-244-0-0-27', 'wanted 10-244-0-0-26'],
  ]
  for (const [kind, path, value, problem] of bad) {
    test(`${kind}: ${path} = ${JSON.stringify(value)}`, () => {
      expect(() => trimmers[kind](withField(valid[kind], path, value))).toThrow(InvalidObjectError)
      expect(() => trimmers[kind](withField(valid[kind], path, value))).toThrow(problem)
    })
  }

  test('a message never is as long as the object', () => {
    expect.assertions(1)
    try {
      toService(withField(valid.service, 'spec.type', 'x'.repeat(1_000_000)))
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(500)
    }
  })
})

describe('A3 whatever comes, only InvalidObjectError is thrown and nothing becomes a wildcard', () => {
  const hostile = fc.oneof(
    fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }),
    fc.constantFrom<unknown>(null, [], {}, [null], [[]], '', 0, -1, 65536, '0.0.0.0/0', '::/0', '127.0.0.1', JSON.parse('{"__proto__": {"x": 1}}'), { constructor: 'x' }, { toString: 1 }),
  )
  const paths: Readonly<Record<string, readonly (readonly string[])[]>> = Object.fromEntries(Object.entries(valid).map(([kind, object]) => [kind, pathsOf(object)]))
  for (const kind of Object.keys(valid) as (keyof typeof valid)[]) {
    test(`of ${kind}`, () => {
      fc.assert(fc.property(fc.constantFrom(...paths[kind]!), hostile, (path, value) => {
        let trimmed: unknown
        try {
          trimmed = trimmers[kind](withField(valid[kind], path, value))
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidObjectError)
          expect((error as Error).message).toMatch(/^Cannot use /)
          return
        }
        if (kind === 'clusterPolicy') {
          // Of a rule that accepts, whatever became of it.
          for (const { action, peers, ports } of (trimmed as ReturnType<typeof toClusterNetworkPolicy>).egress) if (action === 'Accept') expect([peers.length > 0, ports.length > 0 || path.at(-1) === 'protocols' || path.length < 4]).toEqual([true, true])
        }
        if (kind !== 'policy') return
        // Of the one rule there is, neither peers nor ports may turn from something into everything, but where they were taken away as Kubernetes would.
        const [rule] = (trimmed as ReturnType<typeof toNetworkPolicy>).ingress ?? []
        const emptied = value === null || value === undefined || (Array.isArray(value) && value.length === 0)
        if (rule !== undefined && !emptied && !['spec.ingress', 'spec', 'spec.ingress.0'].includes(path.join('.'))) {
          expect(rule.peers.length).toBeGreaterThan(0)
          expect(rule.ports.length).toBeGreaterThan(0)
        }
        for (const peer of rule?.peers ?? []) if (peer.kind === 'ipBlock' && value !== '0.0.0.0/0' && value !== '::/0') expect(peer.cidr.prefix).toBeGreaterThan(0)
      }), { numRuns: 300 })
    })
  }

  test('no object at all', () => {
    fc.assert(fc.property(hostile, (value) => {
      for (const trim of Object.values(trimmers)) {
        try {
          trim(value)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidObjectError)
        }
      }
    }), { numRuns: 200 })
  })
})

function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...pathsOf(inner, [...path, key])])
}

describe('ipBlockName()', () => {
  const range = fc.oneof(
    fc.record({ bits: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), prefix: fc.integer({ min: 0, max: 32 }) }).map(({ bits, prefix }) => ({ family: 4 as const, bits: (bits >> BigInt(32 - prefix)) << BigInt(32 - prefix), prefix })),
    fc.record({ bits: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 48n }), fc.array(fc.constantFrom(0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 }).map((groups) => groups.reduce<bigint>((all, group) => (all << 16n) | group, 0n))), prefix: fc.constantFrom(0, 16, 48, 64, 96, 112, 122, 128) })
      .map(({ bits, prefix }) => ({ family: 6 as const, bits: (bits >> BigInt(128 - prefix)) << BigInt(128 - prefix), prefix })),
  )
  const textOf = ({ family, bits, prefix }: { readonly family: 4 | 6, readonly bits: bigint, readonly prefix: number }): string => formatCidr({ family, bits, prefix } as never)

  test('A4 no two ranges share a name, and every name is a DNS label', () => {
    fc.assert(fc.property(fc.array(range, { minLength: 2, maxLength: 40 }), (ranges) => {
      const names = new Map<string, string>()
      for (const each of ranges) {
        const text = textOf(each)
        const name = ipBlockName(text)
        expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
        expect(name.length).toBeLessThanOrEqual(63)
        expect(names.get(name) ?? text).toBe(text)
        names.set(name, text)
      }
    }), { numRuns: 500 })
  })

  test('A4 a range has one name, however it is written', () => {
    expect(new Set(['fd00::/64', 'FD00:0:0:0::/64', 'fd00:0000::/64'].map(ipBlockName)).size).toBe(1)
    expect(ipBlockName('10.244.0.0/26')).toBe('10-244-0-0-26')
    expect(new Set(['::ffff:1.2.3.4/128', '::ffff:1:2:3:4/128'].map(ipBlockName)).size).toBe(2)
  })
})
