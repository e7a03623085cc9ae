import type { EndpointSlice, Node, NodeName, Service } from '@weft/api'
import { type AdminServer, backoff, type Clock, type Logger, Reconciler, type Registry, serveAdmin, serveHttp } from '@weft/daemon'
import type { EventRecorder, EventTarget, Store } from '@weft/kube'
import type { ListenConfig, ProxyConfig } from './config.ts'
import { healthzAnswer, send } from './health-answer.ts'
import { healthPort } from './health-port.ts'
import { HealthPorts } from './health-ports.ts'
import type { ProbeCounters } from './kube-proxy-metrics.ts'
import type { LocalAddresses } from './link-addresses.ts'
import { byService, type Proxy } from './proxy.ts'
import { nodePortIps } from './watch-node.ts'

export interface HealthOptions {
  readonly config: ProxyConfig
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  /** Where NodePorts may answer beside the addresses of the Node object. */
  readonly local?: LocalAddresses | undefined
  readonly proxy: Proxy
  readonly registry: Registry
  readonly recorder: Pick<EventRecorder, 'record'>
  readonly clock: Clock
  readonly logger: Logger
}

/** What the cluster autoscaler puts on a node that it is about to delete (KEP-3836). */
const leavingTaint = 'ToBeDeletedByClusterAutoscaler'

/** Answers load balancers, probes and scrapes where kube-proxy would, until aborted. A port that is taken is told by an Event and tried again. */
export async function serveHealth(options: HealthOptions, signal: AbortSignal): Promise<void> {
  await Promise.all([serveProbes(options, signal), serveMetrics(options, signal), serveHealthPorts(options, signal)])
}

/** `/healthz` and `/livez`. */
async function serveProbes({ config: { healthz }, nodeName, nodes, proxy, recorder, clock, logger }: HealthOptions, signal: AbortSignal): Promise<void> {
  if (healthz === 'off') return
  const eligible = (): boolean => {
    const node = nodes.get(nodeName)
    return node === undefined || (!node.deleting && !node.taints.includes(leavingTaint))
  }
  const answer = (counter: ProbeCounters[keyof ProbeCounters], isEligible: boolean | undefined): ReturnType<typeof healthzAnswer> => {
    const made = healthzAnswer(proxy.health(), clock.wallTime(), isEligible)
    counter.inc({ code: String(made.status) })
    return made
  }
  await keepListening({
    listen: () => serveHttp({ host: healthz.address, port: healthz.port }, (request, response) => {
      const path = request.url?.split('?', 1)[0]
      if (path === '/healthz') send(response, answer(proxy.probes.healthz, eligible()))
      else if (path === '/livez') send(response, answer(proxy.probes.livez, undefined))
      else response.writeHead(404).end()
    }),
    onFailure: (message) => recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'FailedToStartProxierHealthcheck', message }),
    clock, logger,
  }, signal)
}

/** `/metrics` and `/proxyMode`. */
async function serveMetrics({ config: { metrics }, nodeName, proxy, registry, recorder, clock, logger }: HealthOptions, signal: AbortSignal): Promise<void> {
  if (metrics === 'off') return
  await keepListening({
    listen: () => serveAdmin({ listen: listenOf(metrics), registry, ready: proxy.ready, routes: { '/proxyMode': () => 'nftables' }, logger }),
    onFailure: (message) => recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'FailedToStartMetricServer', message }),
    clock, logger,
  }, signal)
}

function listenOf({ address, port }: ListenConfig): { readonly host: string, readonly port: number } {
  return { host: address, port }
}

async function serveHealthPorts({ config, nodeName, nodes, services, slices, local, proxy, recorder, clock, logger }: HealthOptions, signal: AbortSignal): Promise<void> {
  await using ports = new HealthPorts(() => proxy.health().healthy)
  const dirty = new Set<string>()
  const reconciler = new Reconciler({ name: 'proxy-health', clock, logger, reconcile })

  async function reconcile(running: AbortSignal): Promise<void> {
    // What a load balancer is told must be so in the kernel.
    await proxy.settled(running)
    const node = nodes.get(nodeName)
    const ips = node === undefined ? [] : nodePortIps(node, config, local?.values())
    const faults: unknown[] = []
    for (const key of [...dirty]) {
      const service = services.get(key)
      const wanted = service === undefined || !proxy.serves(key) ? undefined : healthPort(service, slices.by(byService, key), nodeName)
      try {
        await ports.set(key, wanted, ips)
        dirty.delete(key)
      } catch (error) {
        faults.push(error)
        recorder.record(serviceTarget(key, service), 'Warning', { reason: 'FailedToStartServiceHealthcheck', message: `Cannot serve the health check port of Service "${key}": ${(error as Error).message}` })
      }
    }
    if (faults.length > 0) throw new AggregateError(faults, `Cannot serve ${faults.length} health check ports: their addresses are taken, wanted free ones`)
  }

  const mark = (keys: Iterable<string>): void => {
    for (const key of keys) dirty.add(key)
    reconciler.trigger()
  }
  const ends = [
    // Only few Services have such a port, and the slices of all others change all the time.
    services.subscribe(({ key, old, new: now }) => {
      if (old?.healthCheckNodePort !== undefined || now?.healthCheckNodePort !== undefined) mark([key])
    }, { replay: true }),
    slices.subscribe(({ old, new: now }) => {
      for (const slice of [old, now]) {
        const key = `${slice?.namespace}/${slice?.serviceName}`
        if (services.get(key)?.healthCheckNodePort !== undefined) mark([key])
      }
    }),
    nodes.subscribe(({ key }) => {
      if (key === nodeName) mark([...ports.keys()])
    }),
    local?.subscribe(() => mark([...ports.keys()])),
  ]
  await reconciler.run(signal)
  for (const end of ends) end?.()
}

/** The Service as Events name it. */
export function serviceTarget(key: string, service: Service | undefined): EventTarget {
  const [namespace, name] = key.split('/')
  return { apiVersion: 'v1', kind: 'Service', namespace, name: name!, uid: service?.uid }
}

/** The node as Events name it: like the kubelet's they carry its name as uid, by which `kubectl describe node` finds them. */
export function nodeTarget(nodeName: NodeName): EventTarget {
  return { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName }
}

interface Listening {
  readonly listen: () => Promise<AdminServer>
  readonly onFailure: (message: string) => void
  readonly clock: Clock
  readonly logger: Logger
}

/** Listens as soon as it can, and then until aborted. */
async function keepListening({ listen, onFailure, clock, logger }: Listening, signal: AbortSignal): Promise<void> {
  const wait = backoff({ baseMs: 1000, maxMs: 30_000 })
  while (!signal.aborted) {
    try {
      await using _server = await listen()
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    } catch (error) {
      logger.warn({ err: error }, 'cannot listen')
      onFailure((error as Error).message)
      await clock.sleep(wait.next(), { signal }).catch(() => undefined)
    }
  }
}
