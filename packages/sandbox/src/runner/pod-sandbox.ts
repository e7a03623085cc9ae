import { randomBytes } from 'node:crypto'
import { createNetns, deleteNetns, RouteSocket, writeSysctls } from '@weft/netlink'
import type { CniConflist } from './cni/conflist.ts'
import { type CniNetwork, podRuntimeConfig } from './cni/network.ts'
import type { CniAttachment } from './cni/plugin.ts'
import { type Pause, startPause } from './pause.ts'
import { podHostname } from './pod-hostname.ts'
import type { PodObject } from './pod-object.ts'

/** What all containers of a pod share: its network namespace and its pause. */
export interface PodSandbox {
  readonly id: string
  readonly netns: string
  /** In the order of the CNI result; empty on the node's network. */
  readonly ips: readonly string[]
  readonly pause: Pause
}

export interface PodSandboxOptions {
  readonly pod: PodObject
  /** Where a pod's network namespace is pinned; on the host network the node's own is used. */
  readonly netnsPath: string
  readonly nodeNetns: string
  readonly network: CniNetwork
  /** Resolves to the node's network configuration as soon as it can take pods. */
  readonly networkReady: () => Promise<CniConflist>
  readonly signal: AbortSignal
}

/**
 * Makes a pod's sandbox: namespace, CNI ADD and pause, the two latter side by side.
 *
 * @throws {CniError} Of the plugin that refused; nothing is left then.
 */
export async function openPodSandbox({ pod, netnsPath, nodeNetns, network, networkReady, signal }: PodSandboxOptions): Promise<PodSandbox> {
  const id = randomBytes(32).toString('hex')
  const hostname = podHostname(pod)
  if (pod.spec.hostNetwork === true) return { id, netns: nodeNetns, ips: [], pause: await startPause(nodeNetns, hostname) }

  const conflist = await networkReady()
  await createNetns(netnsPath)
  const sandbox = { id, netns: netnsPath }
  let pause: Promise<Pause> | undefined
  try {
    await prepare(netnsPath, pod)
    pause = startPause(netnsPath, hostname)
    // Awaited below; a failing ADD must not leave its rejection unheard.
    pause.catch(() => undefined)
    const result = await network.add(conflist, attachmentOf(sandbox, pod), { runtimeConfig: podRuntimeConfig(pod), signal })
    const ips = (result.ips ?? []).map(({ address }) => address.split('/')[0]!)
    return { ...sandbox, ips, pause: await pause }
  } catch (error) {
    await pause?.then((started) => started.stop(), () => undefined)
    // What a half-done ADD left; the first failure is the one to tell.
    await network.delete(id, { signal: AbortSignal.timeout(30_000) }).catch(() => undefined)
    await deleteNetns(netnsPath)
    throw error
  }
}

/**
 * Ends a sandbox: its processes, then its network. Safe to repeat.
 *
 * @throws {CniError} When a plugin could not detach; to be tried again.
 */
export async function closePodSandbox(sandbox: PodSandbox, { network, nodeNetns, signal }: Pick<PodSandboxOptions, 'network' | 'nodeNetns' | 'signal'>): Promise<void> {
  await sandbox.pause.stop()
  if (sandbox.netns === nodeNetns) return
  await network.delete(sandbox.id, { signal })
  await deleteNetns(sandbox.netns)
}

/** What the runtime does before any plugin: loopback up, and the settings containers count on. */
async function prepare(netns: string, { spec }: PodObject): Promise<void> {
  using socket = await RouteSocket.open({ netns })
  socket.setLink(socket.link('lo').index, { up: true })
  const asked = (spec.securityContext?.sysctls ?? []).filter(({ name }) => name.startsWith('net.'))
  await writeSysctls(netns, {
    'net.ipv4.ip_unprivileged_port_start': '0',
    ...Object.fromEntries(asked.map(({ name, value }) => [name, value])),
  })
}

function attachmentOf({ id, netns }: Pick<PodSandbox, 'id' | 'netns'>, { metadata }: PodObject): CniAttachment {
  return {
    containerId: id,
    netns,
    ifname: 'eth0',
    args: { K8S_POD_NAMESPACE: metadata.namespace, K8S_POD_NAME: metadata.name, K8S_POD_INFRA_CONTAINER_ID: id, K8S_POD_UID: metadata.uid },
  }
}
