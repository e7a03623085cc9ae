import { type EndpointSlice, endpointSliceResource, type Node, nodeResource, type Service, serviceResource } from '@weft/api'
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { formatIp, type IpAddress } from '@weft/ip'
import { createKubeClient, createKubeMetrics, EventRecorder, reflect, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
import { FakeApiServer, type FakeObject } from '@weft/kube/testing'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { node, nodeName, service, slice } from '../test/cluster.ts'
import { proxyConfigSchema } from './config.ts'
import { createProxy } from './proxy.ts'
import { serviceTarget } from './serve-health.ts'

const paths: Readonly<Record<string, string>> = { Node: nodeResource.path, Service: serviceResource.path, EndpointSlice: endpointSliceResource.path }

interface Told {
  /** `reason name: message` of every Event. */
  readonly events: readonly string[]
  readonly counter: number
}

/** A proxy behind an API server, as the program puts it together. */
class Cluster implements AsyncDisposable {
  readonly nft: FakeNft = new FakeNft()
  readonly #server: FakeApiServer
  readonly #stack: AsyncDisposableStack
  readonly #registry = createRegistry()
  #settled: () => Promise<void> = () => Promise.resolve()

  private constructor(server: FakeApiServer, stack: AsyncDisposableStack) {
    this.#server = server
    this.#stack = stack
  }

  static async start(objects: readonly object[]): Promise<Cluster> {
    const stack = new AsyncDisposableStack()
    const server = stack.use(await FakeApiServer.start())
    const cluster = new Cluster(server, stack)
    for (const object of objects) cluster.put(object)
    const client = stack.use(createKubeClient({ server: server.url }))
    const shared = { clock: realClock, logger: silentLogger }
    const recorder = new EventRecorder({ ...shared, client, source: { component: 'weft-proxy', host: 'here' }, minIntervalMs: 0 })
    const stores = { nodes: new Store<Node>(), services: new Store<Service>(), slices: new Store<EndpointSlice>() }
    const registry = cluster.#registry
    const proxy = createProxy({
      ...shared, ...stores, nodeName, nft: cluster.nft, flows: { deleteMatching: () => 0 }, registry, config: proxyConfigSchema.parse({ externalIps: ['203.0.0.0/8'] }),
      onRefused: (key, error) => recorder.record(serviceTarget(key, stores.services.get(key)), 'Warning', { reason: 'NotServed', message: error.message }),
    })
    const stopping = new AbortController()
    const { signal } = stopping
    const metrics = createKubeMetrics(registry)
    const follow = <T extends StoredObject>(resource: Resource<T>, kind: { readonly apiVersion: string, readonly kind: string }, store: Store<T>): Promise<void> =>
      reflect(client, resource, store, { ...shared, metrics, signal, onRefused: (object, error) => recorder.record(targetOf(object, kind), 'Warning', { reason: 'Invalid', message: (error as Error).message }) })
    const done = Promise.all([
      follow(nodeResource, { apiVersion: 'v1', kind: 'Node' }, stores.nodes), follow(serviceResource, { apiVersion: 'v1', kind: 'Service' }, stores.services),
      follow(endpointSliceResource, { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' }, stores.slices), recorder.run(signal), proxy.run(signal),
    ])
    stack.defer(async () => {
      stopping.abort()
      await done
    })
    cluster.#settled = async () => {
      await proxy.settled()
      for (let turn = 0; turn < 500 && recorder.pending > 0; turn += 1) await realClock.sleep(2)
    }
    await proxy.whenReady()
    return cluster
  }

  put(object: object): void {
    this.#server.api.put(paths[(object as { readonly kind: string }).kind]!, object as FakeObject)
  }

  /** Where a client's connections end. */
  ends(daddr: string, dport: number): readonly string[] {
    const ends = new Set<string>()
    let choices = 1
    for (let choice = 0; choice < choices; choice += 1) {
      const random = (modulus: number): number => {
        choices = modulus
        return choice
      }
      const { verdict, dnat } = this.nft.trace({ saddr: '10.244.0.9', daddr, dport, sport: 4000, iif: 'pod' }, { random })
      ends.add(dnat === undefined ? verdict : `${formatIp(dnat.address as IpAddress)}:${dnat.port}`)
    }
    return [...ends].sort()
  }

  /** Waits until a change of the good Service, made after everything else, is in the kernel: whatever came before it is dealt with. */
  async barrier(ip: string): Promise<void> {
    this.put(slice('shop/web', [ip]))
    for (let turn = 0; turn < 2000 && this.ends('10.96.0.1', 80)[0] !== `${ip}:8080`; turn += 1) await realClock.sleep(5)
    if (this.ends('10.96.0.1', 80)[0] !== `${ip}:8080`) throw new Error('the good Service is not served')
    await this.#settled()
  }

  /** Services and slices come by streams of their own: something was refused. */
  async anyEvent(): Promise<void> {
    for (let turn = 0; turn < 2000 && (await this.told()).events.length === 0; turn += 1) await realClock.sleep(5)
  }

  async told(): Promise<Told> {
    const events = this.#server.api.objects('/api/v1/events') as unknown as readonly { readonly reason: string, readonly message: string, readonly involvedObject: { readonly name: string } }[]
    const metrics = await this.#registry.metrics()
    const values = [...metrics.matchAll(/^(?:weft_proxy_refused_ports|weft_kube_refused_objects\{.*\}) (\d+)$/gm)].map(([, value]) => Number(value))
    return { events: events.map(({ reason, involvedObject, message }) => `${reason} ${involvedObject.name}: ${message}`), counter: values.reduce((sum, value) => sum + value, 0) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

const good = [node('here'), service('shop/web', ['10.96.0.1']), slice('shop/web', ['10.244.1.5'])]
const bad = (spec: Parameters<typeof service>[2]): object => service('evil/bad', ['10.96.0.66'], spec)
const numbered = (count: number, of: (index: number) => string): readonly string[] => Array.from({ length: count }, (_, index) => of(index))
const manyPorts = numbered(10_000, (index) => `p${index}`).map((name, index) => ({ name, port: index + 1 }))
const addresses = numbered(20_000, (index) => `203.0.${index >> 8}.${index & 255}`)

describe('hostile objects (fault 29)', () => {
  test.each<readonly [string, readonly object[], RegExp, number]>([
    ['10,000 ports with 1,000 endpoints each', [bad({ ports: manyPorts }), slice('evil/bad', numbered(1000, (index) => `10.99.${index >> 8}.${index & 255}`), { ports: manyPorts })], /^NotServed bad: .*on 9870 of its 10000 ports/, 1],
    ['10,000 ports on 20,000 external IPs', [bad({ ports: manyPorts, externalIPs: addresses })], /^NotServed bad: .*on 9994 of its 10000 ports/, 1],
    ['20,000 addresses in both lists, with 20,000 source ranges', [bad({ type: 'LoadBalancer', externalIPs: addresses, balancers: addresses, loadBalancerSourceRanges: addresses.map((ip, index) => (index % 2 === 0 ? `${ip}/32` : '198.51.100.1/32')) })], /^NotServed bad: .*on 20000 load balancer addresses/, 1],
    ['20,000 external IPs that nobody allows', [bad({ externalIPs: addresses.map((ip) => ip.replace('203.', '198.')) })], /^NotServed bad: .*198\.0\.0\.0, 198\.0\.0\.1, .* and 19995 more/, 1],
    ['1.5 MB of annotations', [service('evil/bad', ['10.96.0.66'], { annotations: { 'weft.dev/weights': `${'a*'.repeat(400_000)}=1`, 'other': 'x'.repeat(700_000) } })], /^NotServed bad: .*weights: they are longer than 8192 letters/, 1],
    ['a source range that is none', [bad({ type: 'LoadBalancer', balancers: ['203.0.0.9'], loadBalancerSourceRanges: ['203.0.0.0/33'] })], /^Invalid bad: .*spec\.loadBalancerSourceRanges\[0\]/, 1],
    ['a port out of range', [bad({ ports: [{ port: 65_536 }] })], /^Invalid bad: .*spec\.ports\[0\]\.port is 65536/, 1],
    ['a cluster IP that is none', [service('evil/bad', ['10.96.0.256'])], /^Invalid bad: .*spec\.clusterIPs\[0\]/, 1],
    ['two ports of one number', [bad({ ports: [{ name: 'a', port: 80, nodePort: 30_001 }, { name: 'b', port: 80, nodePort: 30_001 }] })], /^NotServed bad: .*port "b" has the number 80\/TCP of port "a", port "b" has the number nodePort 30001\/TCP of port "a"/, 1],
    ["another Service's node port", [service('aaa/first', ['10.96.0.7'], { type: 'NodePort', ports: [{ port: 80, nodePort: 30_001 }] }), bad({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_001 }] })], /^NotServed bad: .*172\.30\.1\.11 TCP 30001": Service "aaa\/first" has/, 1],
    ["another Service's cluster IP", [service('shop/zzz', ['10.96.0.1'])], /^NotServed zzz: .*Service "shop\/web" has/, 1],
    ['an endpoint of the wrong family', [bad({}), { ...slice('evil/bad', ['fd00::5']), addressType: 'IPv4' }], /^Invalid bad-a: .*endpoints\[0\]\.addresses\[0\] is fd00::5, wanted an address of type IPv4/, 1],
    ...['127.0.0.1', '169.254.169.254', '224.0.0.1', '0.0.0.0'].map((ip) => [`an endpoint at ${ip} (CVE-2021-25737)`, [bad({}), slice('evil/bad', [ip])], /^Invalid bad-a: .*which is no address of an endpoint/, 1] as const),
    ...['::1', 'fe80::1', 'ff02::1'].map((ip) => [`an endpoint at ${ip} (CVE-2021-25737)`, [bad({}), slice('evil/bad', [ip])], /^Invalid bad-a: .*which is no address of an endpoint/, 1] as const),
    ['conditions that are text', [bad({}), { ...slice('evil/bad', []), endpoints: [{ addresses: ['10.99.0.1'], conditions: { ready: 'yes' } }] }], /^Invalid bad-a: .*endpoints\[0\]\.conditions\.ready is not a boolean/, 1],
    ['null where objects stand', [bad({}), { ...slice('evil/bad', []), endpoints: [null] }], /^Invalid bad-a: .*endpoints\[0\] is null/, 1],
  ])('%s: one Event on it and a counter, and others are served as before', async (_name, objects, event, counter) => {
    await using cluster = await Cluster.start(good)
    for (const object of objects) cluster.put(object)
    await cluster.anyEvent()
    await cluster.barrier('10.244.1.6')
    const { events, counter: counted } = await cluster.told()
    expect(events).toEqual([expect.stringMatching(event)])
    expect(events[0]!.length).toBeLessThan(1200)
    expect(counted).toBe(counter)
  })

  test.each([
    ['of other scripts', 'läden/купить'], ['of signs', 'a}; flush ruleset; {/"\'`$(x)\\'], ['of lines', 'a\nb/c\u0000d\u001b[31m'], ['of prototypes', '__proto__/constructor'], ['of a thousand letters', `${'n'.repeat(1000)}/${'s'.repeat(1000)}`],
  ])('names %s are names like any other', async (_name, key) => {
    await using cluster = await Cluster.start([...good, service(key, ['10.96.0.66'], { externalIPs: ['192.0.2.1'] }), slice(key, ['10.99.0.1'])])
    await cluster.anyEvent()
    await cluster.barrier('10.244.1.6')
    expect(cluster.ends('10.96.0.66', 80)).toEqual(['10.99.0.1:8080'])
    const [, name] = key.split('/')
    expect((await cluster.told()).events).toEqual([expect.stringContaining(`NotServed ${name}: `)])
  })

  test('a Service that turns hostile and back is served again', async () => {
    await using cluster = await Cluster.start([...good, bad({}), slice('evil/bad', ['10.99.0.1'])])
    await cluster.barrier('10.244.1.6')
    expect(cluster.ends('10.96.0.66', 80)).toEqual(['10.99.0.1:8080'])
    cluster.put(bad({ ports: [{ port: -1 }] }))
    await cluster.barrier('10.244.1.7')
    expect((await cluster.told()).counter).toBe(1)
    cluster.put(bad({ ports: [{ port: 81 }] }))
    await cluster.barrier('10.244.1.8')
    expect([cluster.ends('10.96.0.66', 81), (await cluster.told()).counter]).toEqual([['10.99.0.1:8080'], 0])
  })
})
