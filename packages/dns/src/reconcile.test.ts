import { toEndpointSlice, toNamespace, toPod, toService } from '@weft/api'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { Store } from '@weft/kube'
import type { EndpointSlice, Namespace, Pod, Service } from '@weft/api'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { namespace, service, slice } from '../test/cluster.ts'
import { configOf, until } from '../test/running.ts'
import { compile, zoneOptions } from './compile.ts'
import { ZoneReconciler } from './reconcile.ts'
import { modelFromStores } from './watch.ts'
import { LiveZone } from './zone/live-zone.ts'
import { formatZone } from './zone/zone-file.ts'

const options = zoneOptions(configOf({ pods: 'verified' }))

function emptyStores(): { services: Store<Service>, endpointSlices: Store<EndpointSlice>, namespaces: Store<Namespace>, pods: Store<Pod> } {
  return { services: new Store(), endpointSlices: new Store(), namespaces: new Store(), pods: new Store() }
}

type Stores = ReturnType<typeof emptyStores>
type Step = (stores: Stores) => void

const names = fc.constantFrom('a/x', 'a/y', 'b/x')
const ips = fc.constantFrom('10.244.0.1', '10.244.0.2', '10.244.0.3')
const specs = fc.oneof(
  fc.constantFrom('10.96.0.1', '10.96.0.2').map((ip) => ({ clusterIP: ip, clusterIPs: [ip], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] })),
  fc.boolean().map((publishNotReadyAddresses) => ({ clusterIP: 'None', publishNotReadyAddresses, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] })),
  fc.constantFrom('x.a.svc.cluster.local', 'example.com', 'not..a..name').map((externalName) => ({ type: 'ExternalName', externalName })),
)
const endpoint = fc.record({ ip: ips, hostname: fc.constantFrom('', 'h-0', 'h-1'), ready: fc.boolean() })
const pod = (ip: string, number: number): object => ({ metadata: { namespace: 'a', name: `p${number}`, uid: `p${number}`, resourceVersion: '1' }, spec: {}, status: { phase: 'Running', podIPs: [{ ip }] } })

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(names, specs).map(([key, spec]): Step => ({ services }) => services.put(toService(service(key, spec)))),
  names.map((key): Step => ({ services }) => services.remove(key)),
  fc.tuple(names, fc.constantFrom('1', '2'), fc.array(endpoint, { maxLength: 3 })).map(([key, suffix, endpoints]): Step => ({ endpointSlices }) => endpointSlices.put(toEndpointSlice(slice(key, { suffix, endpoints, ports: [{ name: 'http', port: 8080 }] })))),
  fc.tuple(names, fc.constantFrom('1', '2')).map(([key, suffix]): Step => ({ endpointSlices }) => endpointSlices.remove(`${key}-${suffix}`)),
  fc.tuple(fc.constantFrom('a', 'b'), fc.boolean()).map(([name, present]): Step => ({ namespaces }) => (present ? namespaces.put(toNamespace(namespace(name))) : namespaces.remove(name))),
  fc.tuple(ips, fc.nat(2), fc.boolean()).map(([ip, number, present]): Step => ({ pods }) => (present ? pods.put(toPod(pod(ip, number))) : pods.remove(`a/p${number}`))),
)

describe('ZoneReconciler', () => {
  test('P7, P11: any sequence of changes gives the zone of where it leads, and a second look changes nothing', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(24), async (steps, pause) => {
      const stores = emptyStores()
      const zone = new LiveZone(options, 0)
      const reconciler = new ZoneReconciler({ stores, zone, clock: new ManualClock(), logger: silentLogger })
      const stop = new AbortController()
      const running = reconciler.run(stop.signal)
      for (const [index, run] of steps.entries()) {
        run(stores)
        if (index === pause) await reconciler.settled()
      }
      await reconciler.settled()
      const want = compile(modelFromStores(stores, zone.serial), options)
      expect(formatZone(zone.value())).toBe(formatZone(want))
      expect([...zone.refused.keys()].sort()).toEqual([...want.refused.keys()].sort())
      const before = reconciler.steps
      for (const each of stores.services.values()) stores.services.put({ ...each, resourceVersion: '2' })
      for (const each of stores.endpointSlices.values()) stores.endpointSlices.put({ ...each, resourceVersion: '2', triggeredAtMs: 1 })
      await reconciler.settled()
      expect(reconciler.steps).toBe(before)
      stop.abort()
      await running
    }), { numRuns: 60 })
  })

  test('P7: one slice touches the names of its Service only', async () => {
    const stores = emptyStores()
    for (const key of ['a/x', 'a/y']) {
      stores.services.put(toService(service(key, { clusterIP: 'None', ports: [] })))
      stores.endpointSlices.put(toEndpointSlice(slice(key, { endpoints: [{ ip: '10.244.0.1' }] })))
    }
    const zone = new LiveZone(options, 0)
    const reconciler = new ZoneReconciler({ stores, zone, clock: new ManualClock(), logger: silentLogger })
    const stop = new AbortController()
    const running = reconciler.run(stop.signal)
    await reconciler.settled()
    const [x, y] = [zone.serviceByKey('a/x'), zone.serviceByKey('a/y')]
    const steps = reconciler.steps
    stores.endpointSlices.put(toEndpointSlice(slice('a/x', { endpoints: [{ ip: '10.244.0.2' }] })))
    await reconciler.settled()
    expect(zone.serviceByKey('a/y')).toBe(y)
    expect(zone.serviceByKey('a/x')).not.toBe(x)
    expect(reconciler.steps).toBe(steps + 1)
    stop.abort()
    await running
  })

  test('DNS-32: the serial moves with real changes only', async () => {
    const stores = emptyStores()
    stores.services.put(toService(service('a/x', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [] })))
    const clock = new ManualClock()
    const zone = new LiveZone(options, 0)
    const reconciler = new ZoneReconciler({ stores, zone, clock, logger: silentLogger })
    const stop = new AbortController()
    const running = reconciler.run(stop.signal)
    await reconciler.settled()
    const first = zone.serial
    expect(first).toBe(Math.floor(Date.UTC(2026, 0, 1) / 1000))
    await clock.advance(5000)
    stores.services.put(toService({ ...service('a/x', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [], externalTrafficPolicy: 'Local' }) }))
    await reconciler.settled()
    expect(zone.serial).toBe(first)
    stores.services.remove('a/x')
    await reconciler.settled()
    expect(zone.serial).toBe(first + 5)
    stop.abort()
    await running
  })

  test('DNS-57: synced when every store was complete once and all of it is in the zone', async () => {
    const stores = emptyStores()
    const zone = new LiveZone(options, 0)
    const reconciler = new ZoneReconciler({ stores, zone, clock: new ManualClock(), logger: silentLogger })
    const stop = new AbortController()
    const running = reconciler.run(stop.signal)
    stores.services.replace([toService(service('a/x', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [] }))])
    stores.namespaces.replace([])
    stores.pods.replace([])
    await reconciler.settled()
    expect(zone.synced).toBe(false)
    stores.endpointSlices.replace([])
    await until(() => zone.synced)
    expect(zone.serviceCount).toBe(1)
    stop.abort()
    await running
  })
})
