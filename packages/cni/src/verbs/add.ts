import { keyText } from '@weft/allocator'
import { type Attachment, links, parsePodUid, type PodUid } from '@weft/api'
import { formatIp, type IpAddress, parseMac } from '@weft/ip'
import { CniError, type CniResult } from '@weft/plugin'
import { bridgeMac, findBridge, makeBridge } from '../bridge.ts'
import { linkIdentity } from '../link-name.ts'
import { formatData, parseData } from '../model.ts'
import { type PodRequest, parseRequestedIp } from '../network-config.ts'
import { orAborted } from '../or-aborted.ts'
import type { AddressReservation, AttachmentKey } from '../ports.ts'
import { checkSysctls, setPodSysctls } from '../pod-sysctls.ts'
import type { VerbContext } from '../verb-context.ts'
import { wirePod, type WirePlan } from '../wire.ts'
import { podGateway, podRoutes } from '../pod-route.ts'

/**
 * Attaches a pod: addresses, filter, link. The commit of the addresses goes on at the same time; ADD is answered when all
 * three are done, and undone when one fails (CNI-23).
 */
export async function add(context: VerbContext, request: PodRequest, fds: readonly number[], signal: AbortSignal): Promise<CniResult> {
  const { ports, route, door, sysctlFolder, hostPorts, teardown, logger, metrics } = context
  const { containerId, ifname, netns, args, base, config } = request
  using pod = door.open(request, fds)
  const trouble = ports.trouble?.()
  if (trouble !== undefined) throw new CniError('ERR_CNI_TRY_AGAIN', `Cannot attach container "${containerId}": ${trouble}`)
  checkSysctls(base.name, config.sysctls, context.config.sysctls)
  const identity = linkIdentity(containerId, ifname)
  const bridge = context.config.mode === 'bridge' ? (findBridge(route) ?? makeBridge(route, sysctlFolder)) : undefined
  const podMac = explicitMac(request) ?? identity.podMac
  if (bridge !== undefined) checkBridgeMac(context, request, podMac)
  const plan: Omit<WirePlan, 'ips'> = { ...identity, podMac, ifname, mtu: context.config.mtu ?? ports.mtu.podMtu(), node: ports.node.addresses(), bandwidth: context.shaping ? config.bandwidth : undefined, bridge }
  await clearLeftover(context, request, signal)

  const reservation = await reserve(context, request, plan, signal)
  const attachment: Attachment = {
    containerId, ifname, namespace: args.K8S_POD_NAMESPACE ?? '', name: args.K8S_POD_NAME ?? '', uid: podUidOf(args),
    hostIfname: identity.hostIfname, ips: reservation.addresses,
  }
  let covered: Promise<void> = Promise.resolve()
  try {
    hostPorts.check(attachment, config.portMappings)
    covered = ports.cover.cover(attachment, signal)
    // Both may fail before they are waited for; only the first error is told, the other must not go unhandled.
    for (const pending of [covered, reservation.committed]) pending.catch(() => undefined)
    // The link comes after the filter: what is in the pod's namespace already may send from the first moment (P4).
    await orAborted(covered, signal)
    if (bridge !== undefined) hostPorts.join(attachment)
    const wired = metrics.wireSeconds.startTimer()
    teardown.remember(plan.hostIfname, await wirePod(pod.route, { route, nodeNetnsFd: door.nodeNetnsFd, sysctlFolder }, { ...plan, ips: reservation.addresses }))
    wired()
    await setPodSysctls(pod.path, ifname, config.sysctls)
    await orAborted(Promise.all([reservation.committed, covered]), signal)
    hostPorts.add(attachment, config.portMappings)
    hostPorts.limit(attachment, config.bandwidth, plan.mtu)
  } catch (error) {
    logger.debug({ containerId, ifname }, 'attachment is undone')
    hostPorts.remove({ containerId, ifname })
    // What is still under way must not come after its undoing, unless it takes for ever.
    await orAborted(Promise.allSettled([covered, reservation.committed]), signal).catch(() => undefined)
    // A release that fails too is retried; the error that counts is the first.
    await teardown.remove({ containerId, ifname }, identity.hostIfname).catch((failure: unknown) => logger.error({ error: String(failure), containerId, ifname }, 'attachment not undone'))
    throw addressError(error)
  }
  return result({ request, attachment, plan: { ...plan, ips: attachment.ips }, netns })
}

/** The runtime has its answer with or without this on disk; before it is sent a repeated ADD starts over. */
export function confirm({ ports, logger }: VerbContext, { containerId, ifname }: AttachmentKey): void {
  ports.address.confirm({ containerId, ifname }).catch((error: unknown) => logger.warn({ error: String(error), containerId }, 'attachment not confirmed'))
}

/** An ADD that the agent did not live to answer, or a DEL whose link is not gone yet, must be over before this one starts. */
async function clearLeftover({ ports, teardown }: VerbContext, { containerId, ifname }: PodRequest, signal: AbortSignal): Promise<void> {
  const known = ports.address.find({ containerId, ifname })
  if (known !== undefined && known.state !== 'attached') await orAborted(teardown.remove(known, known.hostIfname, { wait: true }), signal)
}

async function reserve({ ports }: VerbContext, { containerId, ifname, netns, args, base, config }: PodRequest, { hostIfname, podMac, mtu, bridge }: Pick<WirePlan, 'hostIfname' | 'podMac' | 'mtu' | 'bridge'>, signal: AbortSignal): Promise<AddressReservation> {
  const requested = args.IP === undefined ? config.ips : args.IP.split(',').map(parseArgsIp)
  try {
    return await ports.address.allocate({
      containerId, ifname, netns, hostIfname, requested, ranges: config.ranges,
      pod: { namespace: args.K8S_POD_NAMESPACE ?? '', name: args.K8S_POD_NAME ?? '', uid: podUidOf(args) },
      data: formatData({ network: base.name, podMac, portMappings: config.portMappings, bandwidth: config.bandwidth, mtu, bridged: bridge !== undefined }),
    }, { signal })
  } catch (error) {
    throw addressError(error)
  }
}

/** Errors of the address port, in the runtime's words. */
export function addressError(error: unknown): unknown {
  if (!(error instanceof Error) || !('retryable' in error)) return error
  return new CniError(error.retryable === true ? 'ERR_CNI_TRY_AGAIN' : 'ERR_CNI_ADDRESS', error.message, { cause: error })
}

function podUidOf({ K8S_POD_UID: text = '' }: PodRequest['args']): PodUid | undefined {
  try {
    return text === '' ? undefined : parsePodUid(text)
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS K8S_POD_UID "${text}": it is not the uid of a pod`, { cause: error })
  }
}

function explicitMac({ args, config }: PodRequest): WirePlan['podMac'] | undefined {
  try {
    return config.mac ?? (args.MAC === undefined ? undefined : parseMac(args.MAC))
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS MAC "${args.MAC}": it is not a hardware address`, { cause: error })
  }
}

/** A bridge knows one place for an address; on links of their own pods may have the same. */
function checkBridgeMac({ ports }: VerbContext, request: PodRequest, mac: WirePlan['podMac']): void {
  const owner = request.config.mac === undefined && request.args.MAC === undefined ? undefined
    : ports.address.attachments().find((other) => keyText(other) !== keyText(request) && isOnBridge(other.data, mac))
  if (mac === bridgeMac || owner !== undefined) throw new CniError('ERR_CNI_BRIDGE', `Cannot give "${request.ifname}" hardware address ${mac}: ${owner === undefined ? 'the bridge' : `container ${owner.containerId}`} has it, wanted one of its own`)
}

function isOnBridge(text: string, mac: WirePlan['podMac']): boolean {
  const { bridged, podMac } = parseData(text)
  return bridged && podMac === mac
}

function parseArgsIp(text: string): IpAddress {
  try {
    return parseRequestedIp(text)
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS IP "${text}": it is not an address`, { cause: error })
  }
}

interface ResultParts {
  readonly request: PodRequest
  readonly attachment: Attachment
  readonly plan: WirePlan
  readonly netns: string
}

/** What came before, then ours (CNI-22); addresses point to the pod's interface (CNI-24). */
function result({ request, attachment, plan, netns }: ResultParts): CniResult {
  const { base: { prevResult }, config: { dns } } = request
  const before = [...prevResult?.interfaces ?? [], ...plan.bridge === undefined ? [] : [{ name: links.bridge, mac: plan.bridge.mac }]]
  return {
    interfaces: [
      ...before,
      { name: plan.hostIfname, mac: plan.hostMac, mtu: plan.mtu },
      { name: plan.ifname, mac: plan.podMac, mtu: plan.mtu, sandbox: netns },
    ],
    ips: [
      ...prevResult?.ips ?? [],
      ...attachment.ips.map((ip) => ({ address: `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`, gateway: formatIp(podGateway(ip.family)), interface: before.length + 1 })),
    ],
    routes: [...prevResult?.routes ?? [], ...podRoutes(attachment.ips)],
    ...dns ?? prevResult?.dns ? { dns: dns ?? prevResult?.dns } : {},
  }
}
