import { type EndpointSlice, type Service, toEndpointSlice, toNode, toService } from '@weft/api'
import { formatCidr, formatIp, ipFromBits } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { type EndpointShape, node, nodeName, service, slice } from '../test/cluster.ts'
import { proxyConfigSchema } from './config.ts'
import type { ServiceModel, VirtualPort } from './model.ts'
import { watchNode } from './watch-node.ts'
import { watchService } from './watch.ts'

function watch(from: object, slices: readonly object[], { config = {}, useLocalDns = true, zone = 'a' }: { readonly config?: object, readonly useLocalDns?: boolean, readonly zone?: string } = {}): ServiceModel | undefined {
  const parsed = proxyConfigSchema.parse(config)
  const model = watchNode(nodeName, { nodes: [toNode(node('here', { zone }))], blocks: [], serviceCidrs: [] }, parsed)!
  return watchService(toService(from), slices.map(toEndpointSlice), { nodeName, node: model, config: parsed, useLocalDns })
}

/** `10.96.0.1:80 TCP -> 10.244.0.5:8080`, one line a port. */
function show(model: ServiceModel | undefined): readonly string[] | undefined {
  const list = (backends: VirtualPort['backends']): string => backends.map(({ ip, port, local }) => `${formatIp(ip)}:${port}${local ? '*' : ''}`).join(' ') || 'nobody'
  return model?.ports.map(({ ip, port, protocol, kind, backends, local, elsewhere, lingering, sources }) => [
    `${kind} ${formatIp(ip)}:${port} ${protocol} -> ${list(backends)}`, ...(local === undefined ? [] : [`local ${list(local)}`]), ...(elsewhere ? ['elsewhere'] : []),
    ...(lingering.length === 0 ? [] : [`lingering ${list(lingering)}`]), ...(sources === undefined ? [] : [`from ${sources.length}`]),
  ].join(', '))
}

const web = (rest: Parameters<typeof service>[2] = {}): object => service('shop/web', ['10.96.0.1'], rest)

describe('watchService()', () => {
  test('SVC-1 SVC-2 leaves Services and slices with the labels of others alone', () => {
    const slices = [slice('shop/web', ['10.244.1.5'])]
    expect(watch(web({ labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }), slices)).toBeUndefined()
    expect(watch(web({ labels: { 'service.kubernetes.io/headless': '' } }), slices)).toBeUndefined()
    expect(show(watch(web(), [slice('shop/web', ['10.244.1.5'], { labels: { 'service.kubernetes.io/headless': '' } })]))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody'])
  })

  test('SVC-3 leaves headless and ExternalName Services out', () => {
    expect(watch(service('shop/db', ['None']), [])).toBeUndefined()
    expect(watch(web({ type: 'ExternalName', externalName: 'example.com' }), [])).toBeUndefined()
  })

  test('SVC-4 merges slices, an address counts once, as local if one of them says so', () => {
    const slices = [slice('shop/web', ['10.244.0.5', '10.244.1.6']), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }], { suffix: 'b' }), slice('shop/web', ['10.244.0.5'], { suffix: 'c' })]
    expect(show(watch(web(), slices))).toEqual(['cluster 10.96.0.1:80 TCP -> 10.244.0.5:8080* 10.244.1.6:8080'])
    expect(watch(web(), slices.toReversed())).toEqual(watch(web(), slices))
  })

  test('SVC-5 matches ports by name and protocol', () => {
    const ports = [{ name: 'a', port: 80 }, { name: 'b', port: 53, protocol: 'UDP' }]
    expect(show(watch(web({ ports }), [slice('shop/web', ['10.244.1.5'], { ports: [{ name: 'a', port: 1 }, { name: 'b', port: 2 }] })]))).toEqual([
      'cluster 10.96.0.1:80 TCP -> 10.244.1.5:1', 'cluster 10.96.0.1:53 UDP -> nobody',
    ])
  })

  test('SVC-6 SVC-80 ready endpoints; without any those that serve while they terminate; others linger', () => {
    const going = { ip: '10.244.1.6', ready: false, serving: true, terminating: true }
    const gone = { ip: '10.244.1.7', ready: false, serving: false, terminating: true }
    expect(show(watch(web(), [slice('shop/web', [{ ip: '10.244.1.5' }, going, gone])]))).toEqual(['cluster 10.96.0.1:80 TCP -> 10.244.1.5:8080, lingering 10.244.1.6:8080'])
    expect(show(watch(web(), [slice('shop/web', [{ ip: '10.244.1.5', ready: false, serving: false }, going, gone])]))).toEqual(['cluster 10.96.0.1:80 TCP -> 10.244.1.6:8080'])
  })

  describe('hints', () => {
    const local = { ip: '10.244.0.5', node: 'here', zones: ['a'], nodes: ['here'] }
    const near = { ip: '10.244.1.6', zones: ['a', 'c'], nodes: ['there'] }
    const far = { ip: '10.244.2.7', zones: ['b'], nodes: ['there'] }
    const backendsOf = (endpoints: readonly EndpointShape[], options: Parameters<typeof watch>[2] & { readonly spec?: Parameters<typeof service>[2] } = {}): readonly string[] | undefined => show(watch(web(options.spec), [slice('shop/web', endpoints)], options))?.map((line) => line.replace(/^.* -> /, ''))

    test('SVC-86, SVC-89, SVC-90 connections stay in the zone of this node', () => {
      const zones = [{ ...near, nodes: [] }, { ...far, nodes: [] }]
      expect(backendsOf(zones)).toEqual(['10.244.1.6:8080, lingering 10.244.2.7:8080'])
      expect(backendsOf(zones, { zone: 'b' })).toEqual(['10.244.2.7:8080, lingering 10.244.1.6:8080'])
      expect(backendsOf(zones, { zone: 'c' })).toEqual(['10.244.1.6:8080, lingering 10.244.2.7:8080'])
    })

    test('SVC-86 zones count only when every ready endpoint has some, and one is for ours', () => {
      expect(backendsOf([near, { ...far, nodes: [], zones: [] }])).toEqual(['10.244.1.6:8080 10.244.2.7:8080'])
      expect(backendsOf([near, { ...far, nodes: [], zones: [], ready: false }])).toEqual(['10.244.1.6:8080'])
      for (const zone of ['d', '']) expect(backendsOf([near, far], { zone })).toEqual(['10.244.1.6:8080 10.244.2.7:8080'])
    })

    test('SVC-87, SVC-89 nodes come before zones, and fall back to them', () => {
      expect(backendsOf([local, near, far])).toEqual(['10.244.0.5:8080*, lingering 10.244.1.6:8080 10.244.2.7:8080'])
      expect(backendsOf([{ ...local, nodes: [] }, near, far])).toEqual(['10.244.0.5:8080* 10.244.1.6:8080, lingering 10.244.2.7:8080'])
      expect(backendsOf([near, far])).toEqual(['10.244.1.6:8080, lingering 10.244.2.7:8080'])
    })

    test('SVC-91 they are for those who have a choice: neither for Local policies nor for terminating endpoints', () => {
      expect(backendsOf([{ ...local, zones: ['b'], nodes: [] }, near], { spec: { internalTrafficPolicy: 'Local' } })).toEqual(['10.244.0.5:8080*, lingering 10.244.1.6:8080'])
      const going = { ready: false, serving: true, terminating: true }
      expect(backendsOf([{ ...near, ...going }, { ...far, ...going }])).toEqual(['10.244.1.6:8080 10.244.2.7:8080'])
    })
  })

  test('SVC-55, SVC-56 endpoints that are published as ready get connections, whatever else they are', () => {
    const [line] = show(watch(web({ publishNotReadyAddresses: true }), [slice('shop/web', [{ ip: '10.244.1.5', ready: true, serving: false, terminating: true }])]))!
    expect(line).toBe('cluster 10.96.0.1:80 TCP -> 10.244.1.5:8080')
    expect(show(watch(web(), [slice('shop/web', [{ ip: '10.244.1.5', ready: false, serving: false, terminating: true }])]))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody'])
  })

  describe('annotations of weft.dev', () => {
    const endpoints = [{ ip: '10.244.0.5', node: 'here', pod: 'web-canary-1' }, { ip: '10.244.1.6', pod: 'web-1' }, { ip: '10.244.1.7', pod: 'web-2' }]
    const weighted = (weights: string, spec: Parameters<typeof service>[2] = {}): ServiceModel => watch(web({ ...spec, annotations: { 'weft.dev/weights': weights } }), [slice('shop/web', endpoints)])!
    const counts = (model: ServiceModel): readonly string[] => [...Map.groupBy(model.ports[0]!.backends, ({ ip }) => formatIp(ip))].map(([ip, group]) => `${ip} ${group.length}`)

    test('weights repeat a backend, the first part that fits says how often', () => {
      expect(counts(weighted('web-canary-*=1, web-*=9'))).toEqual(['10.244.0.5 1', '10.244.1.6 9', '10.244.1.7 9'])
      expect(counts(weighted('10.244.1.7=40 10.244.1.0/24=20 *=60'))).toEqual(['10.244.0.5 3', '10.244.1.6 1', '10.244.1.7 2'])
      expect(counts(weighted('*-canary-*=0'))).toEqual(['10.244.1.6 1', '10.244.1.7 1'])
      expect(counts(weighted('*=0'))).toEqual([])
    })

    test('who has weight 0 keeps UDP flows', () => {
      expect(weighted('web-1=0').ports[0]!.lingering.map(({ ip }) => formatIp(ip))).toEqual(['10.244.1.6'])
    })

    test('long lists are scaled down, and nobody is left out', () => {
      const many = Array.from({ length: 100 }, (_, index) => ({ ip: `10.244.1.${index + 1}`, pod: `p-${index}` }))
      const [port] = watch(web({ annotations: { 'weft.dev/weights': 'p-0=1 *=1000' }, sessionAffinity: 'ClientIP' }), [slice('shop/web', many)])!.ports
      expect(port!.backends.length).toBeLessThanOrEqual(8191)
      expect(new Set(port!.backends.map(({ ip }) => ip.bits)).size).toBe(100)
    })

    test('drainSeconds: nobody new goes to an endpoint that terminates, and its flows may stay', () => {
      const going = { ip: '10.244.1.6', ready: false, serving: true, terminating: true }
      const drained = watch(web({ annotations: { 'weft.dev/drainSeconds': '30' } }), [slice('shop/web', [going])])!
      expect([drained.drainSeconds, show(drained)]).toEqual([30, ['cluster 10.96.0.1:80 TCP -> nobody, lingering 10.244.1.6:8080']])
    })

    test.each([
      ['weights', 'web', 'Cannot parse weight "web": wanted a pod\'s name, address or network, "=" and a number from 0 to 1000'], ['weights', '10.0.0.5/24=0', 'Cannot parse network "10.0.0.5/24"'], ['weights', '10.0.0.500=0', 'Cannot parse'], ['weights', 'fd00::/129=0', 'Cannot parse'], ['weights', 'default/web=0', 'Cannot parse'],
      ['weights', '', 'Cannot parse weights: there are 0, wanted 1 to 100'], ['weights', 'a=1001', 'Cannot parse weight "'],
      ['weights', '(a+)+$=1', 'Cannot parse weight "'], ['weights', 'a=1 '.repeat(4000), 'Cannot parse weights: they are longer than 8192 letters'], ['drainSeconds', '-1', 'Cannot parse seconds "-1": wanted a whole number from 1 to 86400'], ['drainSeconds', '86401', 'Cannot parse seconds "86401": wanted'],
    ])('%s "%s" is told, and the Service is served without it', (name, text, message) => {
      const model = watch(web({ annotations: { [`weft.dev/${name}`]: text } }), [slice('shop/web', endpoints)])!
      expect([model.ports[0]!.backends.length, model.drainSeconds]).toEqual([3, undefined])
      expect(model.refusals.map(({ code }) => code)).toEqual(['ERR_PROXY_ANNOTATION_INVALID'])
      expect(model.refusals[0]!.message).toContain(`annotation "weft.dev/${name}" of Service "shop/web": ${message}`)
    })
  })

  test('SVC-11 addresses get backends of their own family', () => {
    const slices = [slice('shop/web', ['10.244.1.5']), slice('shop/web', ['fd00:10:244:1::5'], { suffix: '6' })]
    expect(show(watch(service('shop/web', ['10.96.0.1', 'fd00:10:96::1']), slices))).toEqual([
      'cluster 10.96.0.1:80 TCP -> 10.244.1.5:8080', 'cluster [fd00:10:96::1]:80 TCP -> [fd00:10:244:1::5]:8080',
    ].map((line) => line.replaceAll(/[[\]]/g, '')))
  })

  test('SVC-33 SVC-83 internalTrafficPolicy Local keeps to this node, and drops when only others have endpoints', () => {
    const local = web({ internalTrafficPolicy: 'Local' })
    expect(show(watch(local, [slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }, '10.244.1.6'])]))).toEqual(['cluster 10.96.0.1:80 TCP -> 10.244.0.5:8080*, lingering 10.244.1.6:8080'])
    expect(show(watch(local, [slice('shop/web', ['10.244.1.6'])]))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody, elsewhere, lingering 10.244.1.6:8080'])
    expect(show(watch(local, []))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody'])
  })

  test('SVC-34 SVC-37 SVC-81 SVC-84 externalTrafficPolicy Local has a list of its own, cluster IPs do not', () => {
    const local = web({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30_080 }] })
    expect(show(watch(local, [slice('shop/web', [{ ip: '10.244.0.5', node: 'here', ready: false, serving: true, terminating: true }, '10.244.1.6'])]))).toEqual([
      'cluster 10.96.0.1:80 TCP -> 10.244.1.6:8080, lingering 10.244.0.5:8080*',
      'node 172.30.1.11:30080 TCP -> 10.244.1.6:8080, local 10.244.0.5:8080*, lingering 10.244.0.5:8080*',
    ])
  })

  test('CVE-2020-8554 external IPs only out of the allow list, and the Service is told', () => {
    const external = web({ externalIPs: ['203.0.113.9'] })
    const refused = watch(external, [])
    expect(refused!.ports).toHaveLength(1)
    expect(refused!.refusals.map(({ message }) => message)).toEqual(['Cannot serve Service "shop/web" on "203.0.113.9": it is outside of externalIps, wanted an address that the configuration allows'])
    expect(show(watch(external, [], { config: { externalIps: ['203.0.113.0/24'] } }))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody', 'external 203.0.113.9:80 TCP -> nobody'])
  })

  test('SVC-12 zeros that lead a part of an address mean nothing', () => {
    expect(show(watch(service('shop/web', ['10.096.000.001']), [slice('shop/web', ['010.244.1.05'])]))).toEqual(['cluster 10.96.0.1:80 TCP -> 10.244.1.5:8080'])
  })

  test('LB-5 with this node in the ranges, the address of the load balancer itself is too: a node that has it on a link sends from it', () => {
    const rest = { balancers: ['203.0.113.9'], type: 'LoadBalancer' }
    const sources = (loadBalancerSourceRanges: readonly string[]): readonly string[] => watch(web({ ...rest, loadBalancerSourceRanges }), [])!.ports[1]!.sources!.map(formatCidr)
    expect(sources(['172.30.0.0/16'])).toEqual(['172.30.0.0/16', '203.0.113.9/32'])
    expect(sources(['10.0.0.0/8'])).toEqual(['10.0.0.0/8'])
  })

  test('LB-1 addresses with ipMode Proxy, and balancers that have but a name, are left to whoever made them', () => {
    const from = web({ type: 'LoadBalancer' })
    const ingress = [{ ip: '203.0.113.9' }, { ip: '203.0.113.10', ipMode: 'VIP' }, { ip: '203.0.113.11', ipMode: 'Proxy' }, { hostname: 'lb.example.com' }]
    expect(show(watch({ ...from, status: { loadBalancer: { ingress } } }, []))).toEqual([
      'cluster 10.96.0.1:80 TCP -> nobody', 'external 203.0.113.9:80 TCP -> nobody', 'external 203.0.113.10:80 TCP -> nobody',
    ])
  })

  test('LB-12 a load balancer without node ports has its address, and gets them when they are allocated', () => {
    const spec = { type: 'LoadBalancer', balancers: ['203.0.113.9'], allocateLoadBalancerNodePorts: false }
    expect(show(watch(web(spec), []))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody', 'external 203.0.113.9:80 TCP -> nobody'])
    expect(show(watch(web({ ...spec, ports: [{ port: 80, nodePort: 30_080 }] }), []))).toContain('node 172.30.1.11:30080 TCP -> nobody')
  })

  test('LB-6 whitespace around ranges is trimmed, those of the other family and open ones restrict nobody', () => {
    const sources = (...loadBalancerSourceRanges: readonly string[]): readonly string[] | undefined => watch(web({ type: 'LoadBalancer', balancers: ['203.0.113.9'], loadBalancerSourceRanges }), [])!.ports[1]!.sources?.map(formatCidr)
    expect(sources(' 192.0.2.0/24 ', '\t198.51.100.7/32\n', '2001:db8::/32')).toEqual(['192.0.2.0/24', '198.51.100.7/32'])
    for (const open of [['2001:db8::/32'], ['0.0.0.0/0'], ['192.0.2.0/24', '0.0.0.0/0'], []]) expect(sources(...open)).toBeUndefined()
  })

  test('load balancer addresses carry source ranges of their family, and only with type LoadBalancer', () => {
    const rest = { balancers: ['203.0.113.9', '2001:db8::9'], loadBalancerSourceRanges: ['10.0.0.0/8', '10.1.0.0/16'], type: 'LoadBalancer' }
    expect(show(watch(web(rest), []))).toEqual(['cluster 10.96.0.1:80 TCP -> nobody', 'external 203.0.113.9:80 TCP -> nobody, from 1'])
    const dual = service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], rest)
    expect(show(watch(dual, []))!.filter((line) => line.startsWith('external'))).toEqual(['external 203.0.113.9:80 TCP -> nobody, from 1', 'external 2001:db8::9:80 TCP -> nobody'])
    expect(show(watch(web({ ...rest, type: 'ClusterIP' }), []))).toHaveLength(1)
    expect(watch(web(rest), [], { config: { loadBalancerIps: ['192.0.2.0/24'] } })!.refusals.map(({ message }) => message)).toEqual([expect.stringContaining('on "203.0.113.9, 2001:db8::9": it is outside of')])
  })

  test('SVC-70 NodePorts are where the configuration wants them', () => {
    const ports = [{ port: 80, nodePort: 30_080 }]
    expect(show(watch(web({ ports }), []))).toHaveLength(2)
    expect(show(watch(service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], { ports }), []))).toHaveLength(4)
    expect(show(watch(web({ ports }), [], { config: { nodePortAddresses: ['192.0.2.0/24'] } }))).toHaveLength(1)
  })

  describe('of the DNS Service', () => {
    const dns = service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'udp', port: 53, protocol: 'UDP' }, { name: 'tcp', port: 53 }, { name: 'metrics', port: 9153 }] })
    const ports = [{ name: 'udp', port: 10_053, protocol: 'UDP' }, { name: 'tcp', port: 10_053 }, { name: 'metrics', port: 9153 }]
    const both = [slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }, '172.30.1.12'], { ports })]

    test('keeps to the ready server of this node', () => {
      const model = watch(dns, both)!
      expect(show(model)).toEqual([
        'cluster 10.96.0.10:53 UDP -> 172.30.1.11:10053*', 'cluster 10.96.0.10:53 TCP -> 172.30.1.11:10053*', 'cluster 10.96.0.10:9153 TCP -> 172.30.1.11:9153* 172.30.1.12:9153',
      ])
      expect(model.localDns.map(({ vip, server, serverPort }) => `${formatIp(vip)} ${formatIp(server)} ${serverPort}`)).toEqual(['10.96.0.10 172.30.1.11 10053'])
    })

    test('falls back to others when the local one is not ready, not wanted, or in a pod', () => {
      const unready = watch(dns, [slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here', ready: false }, '172.30.1.12'], { ports })])!
      expect([unready.localDns, show(unready)![0]]).toEqual([[], 'cluster 10.96.0.10:53 UDP -> 172.30.1.12:10053'])
      expect(watch(dns, both, { useLocalDns: false })).toMatchObject({ localDns: [{ isUsed: false }] })
      expect(show(watch(dns, both, { useLocalDns: false }))![0]).toContain('-> 172.30.1.12:10053')
      const pods = watch(dns, [slice('kube-system/kube-dns', [{ ip: '10.244.0.9', node: 'here' }, '10.244.1.9'], { ports })])!
      expect([pods.localDns, show(pods)![0]]).toEqual([[], 'cluster 10.96.0.10:53 UDP -> 10.244.0.9:10053* 10.244.1.9:10053'])
    })

    test('alone it stays in use', () => {
      expect(show(watch(dns, [slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }], { ports })], { useLocalDns: false }))![0]).toContain('-> 172.30.1.11:10053*')
    })
  })

  test('V20 what ports and source ranges multiply to is counted before it is made', () => {
    const ports = Array.from({ length: 1100 }, (_, index) => ({ name: `p${index}`, port: index + 1 }))
    const loadBalancerSourceRanges = Array.from({ length: 120 }, (_, index) => `10.${index}.0.0/24`)
    const model = watch(web({ type: 'LoadBalancer', ports, balancers: ['203.0.113.1'], loadBalancerSourceRanges }), [])!
    // An element for the port of either address, and one for each range: 131,072 are 1,074 times 122.
    expect([model.ports.length, model.refusals.map(({ message }) => message)]).toEqual([2 * 1074, [expect.stringMatching(/^Cannot serve Service "shop\/web" on 26 of its 1100 ports: /)]])
  })

  test('more backends than a code can say are cut off', () => {
    const from: Service = toService(web())
    const one = toEndpointSlice(slice('shop/web', ['10.64.0.0'])).endpoints[0]!
    const endpoints: EndpointSlice = { ...toEndpointSlice(slice('shop/web', [])), endpoints: Array.from({ length: 70_000 }, (_, index) => ({ ...one, ip: ipFromBits(4, 0x0a40_0000n + BigInt(index)) })) }
    const config = proxyConfigSchema.parse({})
    const model = watchNode(nodeName, { nodes: [toNode(node('here'))], blocks: [], serviceCidrs: [] }, config)!
    expect(watchService(from, [endpoints], { nodeName, node: model, config, useLocalDns: true })!.ports[0]!.backends).toHaveLength(65_535)
    const sticky = watchService({ ...from, affinitySeconds: 60 }, [endpoints], { nodeName, node: model, config, useLocalDns: true })!
    expect([sticky.ports[0]!.backends.length, sticky.ports[0]!.affinity!.ids.size]).toEqual([4096, 4096])
    expect(sticky.refusals.map(({ message }) => message)).toEqual(['Cannot serve Service "shop/web" port "" by 65904 of its endpoints: there are more than 4096'])
  })
})
