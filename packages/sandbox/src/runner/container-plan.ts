import { mkdirSync, readFileSync } from 'node:fs'
import type { KubeClient } from '@weft/kube'
import type { BoundedLog } from '../inside/bounded-log.ts'
import { layOutContainer } from './container-layout.ts'
import type { ContainerPlan } from './container-process.ts'
import { podHostsFile } from './hosts-file.ts'
import { commandOf } from './image.ts'
import { PodData } from './pod-data.ts'
import { containerEnvironment, type EnvironmentSources } from './pod-environment.ts'
import { podHostname } from './pod-hostname.ts'
import type { Container, PodObject } from './pod-object.ts'
import type { PodSandbox } from './pod-sandbox.ts'
import { podResolvConf } from './resolv-conf.ts'
import type { Rootfs } from './rootfs.ts'
import { layServiceAccount, layVolumes } from './volumes.ts'

/** What every pod of the sandbox needs to know about its cluster. */
export interface ClusterFacts {
  readonly dnsServers: readonly string[]
  readonly domain: string
  /** Address of the `kubernetes` Service. */
  readonly apiService: string
  readonly caCertificate: string
  /** A token of a service account. */
  tokenFor(namespace: string, serviceAccount: string): string
  readonly rootfs: Rootfs
  /** The machine refused a new /proc. */
  readonly outerProc: boolean
}

interface PlanOptions {
  readonly pod: PodObject
  readonly podIps: readonly string[]
  readonly nodeIps: readonly string[]
  readonly cluster: ClusterFacts
  readonly kube: KubeClient
  /** The pod's, on the tmpfs. */
  readonly podFolder: string
  /** Of this start of the container, below it. */
  readonly folder: string
  readonly sandbox: PodSandbox
  readonly log: BoundedLog
}

/** Lays out files, mounts and environment for one start of a container. @throws {MissingReference} or {@link UnknownImage}: it waits and is tried again. */
export async function planContainer(container: Container, { pod, podIps, nodeIps, cluster, kube, podFolder, folder, sandbox, log }: PlanOptions): Promise<ContainerPlan> {
  const data = await PodData.read(kube, pod)
  const sources: EnvironmentSources = { pod, podIps, hostIps: nodeIps, apiService: cluster.apiService, data: (kind, name) => data.get(kind, name) }
  const hostname = podHostname(pod)
  const environment = { ...containerEnvironment(container, sources), ...(container.env?.some(({ name }) => name === 'HOSTNAME') === true ? {} : { HOSTNAME: hostname }) }
  const command = commandOf(container, environment)
  const token = cluster.tokenFor(pod.metadata.namespace, pod.spec.serviceAccountName ?? 'default')
  const shm = `${podFolder}/shm`
  mkdirSync(shm, { recursive: true })
  const layout = layOutContainer(container, {
    rootfs: cluster.rootfs,
    folder,
    shm,
    resolvConf: podResolvConf(pod, { servers: cluster.dnsServers, domain: cluster.domain, nodeText: machineText('/etc/resolv.conf') }),
    hosts: podHostsFile(pod, { ips: podIps, domain: cluster.domain, nodeText: machineText('/etc/hosts') }),
    hostname,
    volumes: layVolumes(`${podFolder}/volumes`, pod.spec.volumes ?? [], { ...sources, token }),
    outerProc: cluster.outerProc,
  })
  if (pod.spec.automountServiceAccountToken !== false) layServiceAccount(folder, { token, caCertificate: cluster.caCertificate, namespace: pod.metadata.namespace })
  return { container, command, environment, netns: sandbox.netns, pausePid: sandbox.pause.pid, folder, root: layout.root, mounts: layout.mounts, log }
}

function machineText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
