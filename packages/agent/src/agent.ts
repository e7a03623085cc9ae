import { availableParallelism } from 'node:os'
import { type AdminAnswers, type AgentCalls, dnsPort, ipBlockResource, isSamePod, type NodeName, programStatus, tables } from '@weft/api'
import { createCni, installNetwork, installPlugin, type NodeAddresses, type NodePort, type PodsPort } from '@weft/cni'
import { type Clock, createRegistry, type Logger, type Readiness, type Registry } from '@weft/daemon'
import { createIpam } from '@weft/ipam'
import { eventOnRefused, EventRecorder, type KubeConnection } from '@weft/kube'
import { Conntrack, packetLog, packetLogPresent, readSysctls, RouteSocket, writeSysctls } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { createOverlay } from '@weft/overlay'
import { leaveReason } from '@weft/plugin'
import { createPolicy, policyAnswers, policyTarget } from '@weft/policy'
import { createProxy, followOccupancy, LinkAddresses, nodeTarget, proxyAnswers, reportLeftovers, serveHealth, serviceTarget, type Sysctls, tracksSctp, tuneConntrack } from '@weft/proxy'
import { followApiServers } from './api-servers.ts'
import type { AgentConfig } from './config.ts'
import { DnsProbe } from './dns-probe.ts'
import { watchForeignEdits } from './foreign-edits.ts'
import { Lifeline } from './lifeline.ts'
import { LocalDns } from './local-dns.ts'
import { tellNode } from './node-condition.ts'
import { OwnRanges } from './own-ranges.ts'
import { createStores, type Stores } from './stores.ts'
import { UnattachedPods } from './unattached-pods.ts'

export interface AgentDeps {
  readonly config: AgentConfig
  readonly client: KubeConnection
  readonly clock: Clock
  readonly logger: Logger
}

export interface Agent extends AsyncDisposable {
  readonly registry: Registry
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** What it answers on its admin socket. */
  readonly answers: AdminAnswers<AgentCalls>
}

/** Assembles the features of one node. They know each other only as ports; this is the one place that connects them. */
export async function createAgent({ config, client, clock, logger }: AgentDeps): Promise<Agent> {
  const { nodeName } = config
  const registry = createRegistry({ process: true })
  const stack = new AsyncDisposableStack()
  const route = stack.use(await RouteSocket.open())
  const nft = stack.use(await NftSocket.open())
  const conntrack = stack.use(await Conntrack.open())
  const recorder = new EventRecorder({ client, source: { component: 'weft-agent', host: nodeName }, clock, logger })
  const stores = createStores({ client, withBlocks: config.ipam.mode !== 'node-cidr', clock, logger, registry, recorder })
  const { nodes, pods, namespaces, services, slices, policies, clusterPolicies, blocks, serviceCidrs } = stores
  const shared = { nodeName, nodes, clock, registry }
  const log = (component: string): Logger => logger.child({ component })

  const ipam = stack.use(await createIpam({ ...shared, config: config.ipam, kube: client, logger: log('ipam'), onRefused: eventOnRefused(recorder, ipBlockResource) }))
  const sysctls: Sysctls = { read: (names) => readSysctls(undefined, names), write: (values) => writeSysctls(undefined, values, { folder: config.sysctlFolder }) }
  const overlay = createOverlay({ ...shared, config: config.overlay, blocks, kernel: { route, nft }, writeSysctls: sysctls.write, logger: log('overlay') })
  const local = config.proxy.nodePortAddresses === 'primary' ? undefined : new LinkAddresses({ route, clock, logger: log('proxy') })
  const proxy = createProxy({
    ...shared, config: config.proxy, services, slices, blocks, serviceCidrs, local, nft, flows: conntrack, addresses: route, logger: log('proxy'),
    onRefused: (key, error) => recorder.record(serviceTarget(key, services.get(key)), 'Warning', { reason: 'NotServed', message: error.message }),
    tracksSctp: () => tracksSctp(sysctls),
    onLacking: (message) => recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'KernelLacks', message }),
  })
  const policy = createPolicy({
    ...shared, config: config.policy, pods, namespaces, policies, clusterPolicies, services, slices, nft, flows: conntrack, catchUp: stores.catchUp, packetLog: await packetLogPresent() ? packetLog : undefined, logger: log('policy'),
    onRefused: (refused, message) => recorder.record(policyTarget(refused), 'Warning', { reason: 'PartlyRefused', message }),
  })
  const ranges = new OwnRanges({ nodeName, nodes, blocks, serviceCidrs, configured: config.proxy.serviceCidrs })
  const cni = createCni({
    config: config.cni, route, nft, conntrack, sysctlFolder: config.sysctlFolder, clock, registry, logger: log('cni'),
    ports: { trouble: () => ranges.trouble, address: ipam, cover: { get ready() { return policy.ready().ready }, cover: policy.cover, uncover: policy.uncover }, mtu: { podMtu: () => overlay.podMtuBytes }, node: nodeAddresses(stores, nodeName), pods: podsOf(stores, nodeName) },
  })
  const unattached = new UnattachedPods({ nodeName, pods, attachments: cni.attachments, isKnown: () => pods.hasSynced && cni.ready().ready, recorder, clock })
  slices.addIndex(ofDns, (slice) => (`${slice.namespace}/${slice.serviceName}` === config.proxy.dnsService ? [config.proxy.dnsService] : []))
  const probe = stack.use(new DnsProbe({ port: dnsPort, name: config.localDns.name }))
  const lifeline = stack.use(new Lifeline({ port: dnsPort, clock }))
  const localDns = new LocalDns({
    isExpected: () => slices.by(ofDns, config.proxy.dnsService).some(({ endpoints }) => endpoints.some((endpoint) => endpoint.nodeName === nodeName)),
    probe,
    pause: (ms, signal) => lifeline.pause(ms, signal),
    use: proxy.useLocalDns,
    intervalMs: config.localDns.interval,
    timeoutMs: config.localDns.timeout,
    clock, logger: log('dns'),
  })
  const adopted = cni.attachments().length
  policy.adopt(cni.attachments())

  let isAnnounced = false
  const ready = (): Readiness => {
    const waiting = [overlay.ready(), proxy.ready(), policy.ready(), cni.ready()].flatMap((part) => part.waiting)
    // What keeps the stores may keep any of the parts, and is told first.
    return { ready: waiting.length === 0, waiting: waiting.length === 0 ? [] : [...stores.troubles(), ...waiting] }
  }

  return {
    registry,
    ready,
    answers: {
      ...proxyAnswers({ nft, proxy }),
      ...policyAnswers(policy),
      dumpOverlay: () => overlay.dump(),
      dumpCni: () => `${ipam.dump()}${cni.dump()}`,
      status: () => ({ ...programStatus(ready()), kernelWrites: { cni: cni.writes, overlay: overlay.writes, proxy: proxy.writes, policy: policy.writes }, adopted }),
    },
    async run(stop) {
      // Everything goes on until names are asked for elsewhere: whatever stops this agent may stop the node's DNS server too.
      const left = new AbortController()
      const { signal } = left
      const leave = (): void => void localDns.leave().finally(() => left.abort(stop.reason))
      // It may have come while the agent was put together.
      if (stop.aborted) leave()
      else stop.addEventListener('abort', leave, { once: true })
      const serveServices = async (): Promise<void> => {
        await slices.whenSynced(signal)
        await localDns.begin(signal)
        await Promise.all([proxy.run(signal), localDns.run(signal)])
      }
      // Pods are wired when everything a pod needs is in the kernel; until then the plugin answers "try again later".
      const wirePods = async (): Promise<void> => {
        await Promise.all([nodes.whenSynced(signal), overlay.whenReady(signal), policy.whenReady(signal), proxy.whenReady(signal)])
        await Promise.all([cni.run(signal), announce(signal)])
      }
      const servers = followApiServers({ slices, path: config.kube.serversPath, learn: (addresses) => client.learn(addresses), clock, logger: log('api-servers') }, signal)
      const condition = tellNode({ client, nodeName, ready: announced, notice: () => unattached.notice, leaveReason: (reason) => leaveReason(config.cni.socketPath, reason), clock, logger: log('node') }, signal)
      const watched = [[tables.overlay, overlay.recheck], [tables.proxy, proxy.recheck], [tables.policy, policy.recheck], [tables.cni, cni.recheck]] as const
      const edits = watched.map(([table, recheck]) => watchForeignEdits({ nft, table, recheck, clock, logger }, signal))
      const health = serveHealth({ ...shared, config: config.proxy, services, slices, local, proxy, recorder, logger: log('proxy') }, signal)
      const leftovers = reportLeftovers({ nft, proxy, nodeName, recorder, logger: log('proxy') }, signal)
      const tuning = tuneConntrack({ config: config.proxy.conntrack, cores: availableParallelism(), sysctls, proxy, logger: log('proxy') }, signal)
      const occupancy = followOccupancy({ nft, sysctls, nodeName, recorder, registry, clock, logger: log('proxy') }, signal)
      await Promise.all([stores.run(signal), recorder.run(signal), ipam.run(signal), overlay.run(signal), serveServices(), policy.run(signal), wirePods(), servers, condition, unattached.run(signal), health, leftovers, tuning, local?.run(signal), occupancy, ...edits])
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }

  /** Ready, and the runtime knows it. */
  function announced(): Readiness {
    const { waiting } = ready()
    const left = isAnnounced ? waiting : [...waiting, 'the network configuration']
    return { ready: left.length === 0, waiting: left }
  }

  /** The network configuration appears last: from then on the runtime starts pods (CNI-19). */
  async function announce(signal: AbortSignal): Promise<void> {
    const { install } = config
    if (install === undefined) {
      isAnnounced = true
      return
    }
    while (!signal.aborted && !ready().ready) await clock.sleep(readyPollMs, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const { binDir, confDir, plugin } = install
    if (plugin !== undefined) await installPlugin({ ...config.cni, binDir, program: plugin === 'twin' ? { kind: 'twin' } : { kind: 'binary', path: plugin } })
    await installNetwork({ confDir })
    isAnnounced = true
    logger.info({ confDir: install.confDir }, 'pods can be wired')
  }
}

/** Index of slices: those of the DNS Service. */
const ofDns = 'dns'

/** How often readiness is looked at before the network is announced, in milliseconds. */
const readyPollMs = 10

/** Pods of this node; not known before the API server was heard. */
function podsOf({ pods }: Stores, nodeName: NodeName): PodsPort {
  return {
    has({ namespace, name, uid }) {
      if (!pods.hasSynced) return undefined
      const pod = pods.get(`${namespace}/${name}`)
      return pod !== undefined && pod.nodeName === nodeName && isSamePod(pod, uid)
    },
    byAddress: (ip) => [...pods.values()].find((pod) => pod.nodeName === nodeName && !pod.hostNetwork && pod.ips.some(({ family, bits }) => family === ip.family && bits === ip.bits)),
  }
}

/** Who this node is, from its Node object. */
function nodeAddresses({ nodes }: Stores, nodeName: NodeName): NodePort {
  return {
    addresses(): NodeAddresses {
      const ips = nodes.get(nodeName)?.internalIps ?? []
      return { 4: ips.find((ip) => ip.family === 4), 6: ips.find((ip) => ip.family === 6) }
    },
  }
}
