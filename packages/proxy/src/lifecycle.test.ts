import { toEndpointSlice, toNode, toService } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { type EndpointShape, node, type PortShape, service, slice } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { toServiceCidr } from './service-cidr.ts'
import { storeOf } from '@weft/kube/testing'

const balancerIp = '203.0.113.9'

/** A proxy of node `here`, whose kernel tells where a connection may end. */
async function cluster(...objects: readonly object[]) {
  const nft = new FakeNft()
  const serviceCidrs = storeOf([toServiceCidr({ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/16'] } })])
  const run = await running([node('here', { zone: 'a' }), ...objects], { nft, config: { externalIps: ['203.0.113.0/24'] }, deps: { serviceCidrs } })
  const { stores, proxy } = run
  return {
    nft, run, serviceCidrs,
    async put(...changed: readonly object[]) {
      for (const object of changed) {
        const { kind } = object as { readonly kind: string }
        if (kind === 'Service') stores.services.put(toService(object))
        else if (kind === 'Node') stores.nodes.put(toNode(object))
        else stores.slices.put(toEndpointSlice(object))
      }
      await proxy.settled()
    },
    async remove(key: string) {
      stores.services.remove(key)
      await proxy.settled()
    },
    /** `10.244.1.5:8080` each, in order; or `refused`, `dropped`, `left alone`. */
    ends(daddr: string, dport: number, { protocol = 'tcp', from = '10.244.0.9' }: { readonly protocol?: 'tcp' | 'udp' | 'sctp', readonly from?: string } = {}): readonly string[] {
      const ends = new Set<string>()
      let choices = 1
      for (let choice = 0; choice < choices; choice += 1) {
        const { verdict, dnat } = nft.trace({ saddr: from, daddr, dport, protocol, sport: 4000, iif: 'eth0' }, {
          local: ['172.30.1.11'],
          random: (modulus) => {
            choices = modulus
            return choice
          },
        })
        ends.add(verdict === 'drop' ? 'dropped' : verdict === 'reject' ? 'refused' : dnat === undefined ? 'left alone' : `${formatIp(dnat.address as IpAddress)}:${dnat.port}`)
      }
      return [...ends].sort()
    },
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  }
}

const web = (spec: object = {}, ports: readonly PortShape[] = [{ port: 80 }]): object => service('shop/web', ['10.96.0.1'], { ports, ...spec })
const pods = (...endpoints: readonly (string | EndpointShape)[]): object => slice('shop/web', endpoints)
const outside = { from: '172.30.1.99' } as const

describe('a Service over its life', () => {
  test('SVC-45 endpoints follow pods', async () => {
    await using kube = await cluster(web(), pods())
    expect(kube.ends('10.96.0.1', 80)).toEqual(['refused'])
    const [one, two] = ['10.244.1.5', '10.244.1.6']
    for (const endpoints of [[one], [one, two], [two], []]) {
      await kube.put(pods(...endpoints))
      expect(kube.ends('10.96.0.1', 80)).toEqual(endpoints.length === 0 ? ['refused'] : endpoints.map((ip) => `${ip}:8080`))
    }
  })

  test('SVC-8, SVC-46 several ports follow the endpoints that have them, in whichever slices', async () => {
    const two = [{ name: 'a', port: 80 }, { name: 'b', port: 81 }]
    const ofPort = (name: string, port: number, endpoints: readonly string[]): object => slice('shop/web', endpoints, { ports: [{ name, port }], suffix: name })
    await using kube = await cluster(web({}, two), ofPort('a', 8090, ['10.244.1.5']), ofPort('b', 9090, ['10.244.1.6', '10.244.1.5']))
    expect([kube.ends('10.96.0.1', 80), kube.ends('10.96.0.1', 81)]).toEqual([['10.244.1.5:8090'], ['10.244.1.5:9090', '10.244.1.6:9090']])
    await kube.put(ofPort('b', 9090, []))
    expect([kube.ends('10.96.0.1', 80), kube.ends('10.96.0.1', 81)]).toEqual([['10.244.1.5:8090'], ['refused']])
  })

  test('SVC-9 slices that mirror an Endpoints object are slices like any other', async () => {
    const mirrored = slice('shop/web', ['192.0.2.7'], { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' } })
    await using kube = await cluster(web(), mirrored)
    // Nor does an endpoint have to be in a range of pods.
    expect(kube.ends('10.96.0.1', 80)).toEqual(['192.0.2.7:8080'])
  })

  test('SVC-7 an endpoint is local by its node name, and never without one', async () => {
    const policy = { internalTrafficPolicy: 'Local' }
    await using kube = await cluster(web(policy), pods({ ip: '10.244.0.5', node: 'here' }, { ip: '10.244.0.6', node: '' }))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['10.244.0.5:8080'])
  })

  test('SVC-47, LB-21 TCP and UDP on one port number are two ports, one goes without the other', async () => {
    const both = [{ name: 't', port: 80 }, { name: 'u', port: 80, protocol: 'UDP' }]
    const endpoints = slice('shop/web', ['10.244.1.5'], { ports: [{ name: 't', port: 8080 }, { name: 'u', port: 5353, protocol: 'UDP' }] })
    await using kube = await cluster(web({ type: 'LoadBalancer', balancers: [balancerIp] }, both), endpoints)
    for (const host of ['10.96.0.1', balancerIp]) expect([kube.ends(host, 80), kube.ends(host, 80, { protocol: 'udp' })]).toEqual([['10.244.1.5:8080'], ['10.244.1.5:5353']])
    await kube.put(web({}, both.slice(1)))
    expect([kube.ends('10.96.0.1', 80), kube.ends('10.96.0.1', 80, { protocol: 'udp' })]).toEqual([['refused'], ['10.244.1.5:5353']])
  })

  test('SVC-48 a port that changes takes its traffic along', async () => {
    await using kube = await cluster(web(), pods('10.244.1.5'))
    await kube.put(web({}, [{ port: 81 }]))
    expect([kube.ends('10.96.0.1', 80), kube.ends('10.96.0.1', 81)]).toEqual([['refused'], ['10.244.1.5:8080']])
  })

  test('SVC-49, SVC-59 Services with the same pods come and go by themselves', async () => {
    const named = (name: string, last: number): readonly object[] => [service(`shop/${name}`, [`10.96.0.${last}`]), slice(`shop/${name}`, ['10.244.1.5', '10.244.1.6', '10.244.1.7'])]
    await using kube = await cluster(...named('one', 1), ...named('two', 2), ...named('three', 3))
    const all = ['10.244.1.5:8080', '10.244.1.6:8080', '10.244.1.7:8080']
    await kube.remove('shop/two')
    expect([1, 2, 3].map((last) => kube.ends(`10.96.0.${last}`, 80))).toEqual([all, ['dropped'], all])
    await kube.put(...named('two', 2))
    expect([1, 2, 3].map((last) => kube.ends(`10.96.0.${last}`, 80))).toEqual([all, all, all])
  })

  test('SVC-53 its type changes', async () => {
    await using kube = await cluster(web({ type: 'ExternalName', externalName: 'example.com' }), pods('10.244.1.5'))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['dropped'])
    await kube.put(web())
    expect(kube.ends('10.96.0.1', 80)).toEqual(['10.244.1.5:8080'])
    await kube.put(web({ type: 'ExternalName', externalName: 'example.com' }))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['dropped'])
  })

  test('SVC-62, SVC-23 a second range of cluster IPs is as good as the first, from the moment it is there', async () => {
    await using kube = await cluster(service('shop/web', ['198.51.100.1'], { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }), pods('10.244.1.5'))
    expect([kube.ends('198.51.100.1', 80), kube.ends('172.30.1.11', 30_080), kube.ends('198.51.100.2', 80)]).toEqual([['10.244.1.5:8080'], ['10.244.1.5:8080'], ['left alone']])
    kube.serviceCidrs.put(toServiceCidr({ metadata: { name: 'second' }, spec: { cidrs: ['198.51.100.0/24'] } }))
    await kube.run.proxy.settled()
    expect(kube.ends('198.51.100.2', 80)).toEqual(['dropped'])
    kube.serviceCidrs.remove('second')
    await kube.run.proxy.settled()
    expect(kube.ends('198.51.100.2', 80)).toEqual(['left alone'])
  })

  test('SVC-67, SVC-68 a node port number serves TCP and UDP, and is free again afterwards', async () => {
    const inside = [{ name: 't', port: 80 }, { name: 'u', port: 80, protocol: 'UDP' }]
    const ports = inside.map((port) => ({ ...port, nodePort: 30_080 }))
    const endpoints = slice('shop/web', ['10.244.1.5'], { ports: [{ name: 't', port: 8080 }, { name: 'u', port: 8080, protocol: 'UDP' }] })
    await using kube = await cluster(web({ type: 'NodePort' }, ports), endpoints)
    for (const protocol of ['tcp', 'udp'] as const) expect(kube.ends('172.30.1.11', 30_080, { protocol })).toEqual(['10.244.1.5:8080'])
    await kube.put(web({ type: 'ClusterIP' }, inside))
    for (const protocol of ['tcp', 'udp'] as const) expect(kube.ends('172.30.1.11', 30_080, { protocol })).toEqual(['left alone'])
  })

  test('SVC-60 SCTP is a transport like the others', async () => {
    await using kube = await cluster(web({ type: 'NodePort' }, [{ port: 80, protocol: 'SCTP', nodePort: 30_080 }]), slice('shop/web', ['10.244.1.5'], { ports: [{ port: 8080, protocol: 'SCTP' }] }))
    expect([kube.ends('10.96.0.1', 80, { protocol: 'sctp' }), kube.ends('172.30.1.11', 30_080, { protocol: 'sctp' }), kube.ends('10.96.0.1', 80)]).toEqual([['10.244.1.5:8080'], ['10.244.1.5:8080'], ['refused']])
  })

  test('SVC-88 the zone of this node moves its connections', async () => {
    await using kube = await cluster(web(), pods({ ip: '10.244.1.5', zones: ['a'] }, { ip: '10.244.1.6', zones: ['b'] }))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['10.244.1.5:8080'])
    await kube.put(node('here', { zone: 'b' }))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['10.244.1.6:8080'])
  })

  test('SVC-32 endpoints that fail leave nobody', async () => {
    await using kube = await cluster(web(), pods('10.244.1.5'))
    await kube.put(pods({ ip: '10.244.1.5', ready: false }))
    expect(kube.ends('10.96.0.1', 80)).toEqual(['refused'])
  })

  test.each(['tcp', 'udp'] as const)('LB-7, LB-8 %s: from ClusterIP to NodePort to LoadBalancer and back, traffic works at each step', async (protocol) => {
    const name = protocol === 'tcp' ? 'TCP' : 'UDP'
    const at = (type: string, nodePort: number | undefined, port = 80): object => web({ type, ...(type === 'LoadBalancer' ? { balancers: [balancerIp] } : {}) }, [{ port, protocol: name, ...(nodePort === undefined ? {} : { nodePort }) }])
    await using kube = await cluster(at('ClusterIP', undefined), slice('shop/web', ['10.244.1.5'], { ports: [{ port: 8080, protocol: name }] }))
    const look = (port = 80): readonly string[] => [kube.ends('10.96.0.1', port, { protocol }), kube.ends('172.30.1.11', 30_080, { protocol, ...outside }), kube.ends('172.30.1.11', 30_081, { protocol, ...outside }), kube.ends(balancerIp, port, { protocol, ...outside })].flat()
    const [yes, no] = ['10.244.1.5:8080', 'left alone']
    expect(look()).toEqual([yes, no, no, no])
    for (const [object, want, port] of [
      [at('NodePort', 30_080), [yes, yes, no, no], 80], [at('LoadBalancer', 30_080), [yes, yes, no, yes], 80], [at('LoadBalancer', 30_081), [yes, no, yes, yes], 80],
      [at('LoadBalancer', 30_081, 81), [yes, no, yes, yes], 81], [at('NodePort', 30_081), [yes, no, yes, no], 80], [at('ClusterIP', undefined), [yes, no, no, no], 80],
    ] as const) {
      await kube.put(object)
      expect(look(port)).toEqual(want)
    }
  })

  test('LB-9 source ranges are put, changed and taken away', async () => {
    const ranged = (...loadBalancerSourceRanges: readonly string[]): object => web({ type: 'LoadBalancer', balancers: [balancerIp], loadBalancerSourceRanges })
    await using kube = await cluster(ranged('10.244.0.9/32'), pods('10.244.1.5'))
    const look = (): readonly string[] => [kube.ends(balancerIp, 80, { from: '10.244.0.9' }), kube.ends(balancerIp, 80, { from: '10.244.0.8' })].flat()
    expect(look()).toEqual(['10.244.1.5:8080', 'dropped'])
    await kube.put(ranged('10.244.0.8/32'))
    expect(look()).toEqual(['dropped', '10.244.1.5:8080'])
    await kube.put(ranged())
    expect(look()).toEqual(['10.244.1.5:8080', '10.244.1.5:8080'])
  })

  test('LB-20 externalTrafficPolicy changes both ways', async () => {
    const at = (externalTrafficPolicy: string): object => web({ type: 'LoadBalancer', balancers: [balancerIp], externalTrafficPolicy })
    await using kube = await cluster(at('Local'), pods({ ip: '10.244.0.5', node: 'here' }, '10.244.1.6'))
    const keptSource = (): boolean => kube.nft.trace({ saddr: outside.from, daddr: balancerIp, dport: 80, iif: 'eth0' }).snat === undefined
    const look = (): unknown => [kube.ends(balancerIp, 80, outside), keptSource()]
    expect(look()).toEqual([['10.244.0.5:8080'], true])
    await kube.put(at('Cluster'))
    expect(look()).toEqual([['10.244.0.5:8080', '10.244.1.6:8080'], false])
    await kube.put(at('Local'))
    expect(look()).toEqual([['10.244.0.5:8080'], true])
  })

  test('SVC-28 what conntrack cannot place is dropped: from pods, and to Services', async () => {
    await using kube = await cluster(web(), pods('10.244.1.5'))
    const stray = (saddr: string, daddr: string): string => kube.nft.trace({ saddr, daddr, sport: 8080, dport: 4000, tcpFlags: ['ack'], ctState: 'invalid', iif: 'eth0' }, { local: ['172.30.1.11'] }).verdict
    expect([stray('10.244.0.5', '172.30.1.99'), stray('172.30.1.99', '10.96.0.1'), stray('172.30.1.99', '10.96.7.7'), stray('198.51.100.1', '192.0.2.1')]).toEqual(['drop', 'drop', 'drop', 'accept'])
  })

  test('SVC-13, SVC-24 a change of any size is one transaction of our own table, without a flush', async () => {
    await using kube = await cluster(web(), pods('10.244.1.5'))
    const { commits } = kube.nft
    await kube.put(web({ sessionAffinity: 'ClientIP' }, [{ name: 'a', port: 80 }, { name: 'b', port: 81 }]), slice('shop/web', ['10.244.1.5', '10.244.1.6'], { ports: [{ name: 'a', port: 1 }, { name: 'b', port: 2 }] }))
    expect(kube.nft.commits).toBe(commits + 1)
    expect(kube.nft.log.at(-1)).not.toMatch(/flush|delete table/)
    for (const line of kube.nft.log.at(-1)!.split('\n').filter((part) => part !== '')) expect(line).toMatch(/ inet weft-proxy /)
  })
})
