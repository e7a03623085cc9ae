import { mkdirSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import type { Clock, Logger } from '@weft/daemon'
import { reflect, Store } from '@weft/kube'
import { createApiServer } from '../apiserver/index.ts'
import { serviceAccountUser } from '../apiserver/tls/credentials.ts'
import { createControllers } from '../controllers/index.ts'
import type { ControlPort } from '../control/server.ts'
import { SandboxError } from '../errors.ts'
import { stateFolder } from '../host/state-folder.ts'
import type { InitOptions } from '../launch-protocol.ts'
import { cniBinFolder, clusterPrograms, nodePaths, nodePrograms, type ProgramSources } from '../node-programs.ts'
import type { NodeReadiness } from '../runner/node-object.ts'
import { NodeRunner } from '../runner/node-runner.ts'
import { RunnersPodRuntime } from '../runner/pod-runtime.ts'
import { buildRootfs } from '../runner/rootfs.ts'
import { type RunnerPod, runnerPodResource } from '../runner/runner-pod.ts'
import { buildUnderlay } from '../underlay/build.ts'
import { apiServerPort, clusterRanges, ofFamilies, planTopology, withoutPrefix } from '../underlay/topology.ts'
import { installAddons } from './addons.ts'
import { ClusterControl } from './cluster-control.ts'
import { inNetworkOf } from './command.ts'
import { Gate } from './gate.ts'
import { layDevices, sealMachineTree } from './machine-tree.ts'
import { resumeAfterReboot } from './resume.ts'
import { Supervisor } from './supervisor.ts'
import { toolEnvironmentWith } from './tool-environment.ts'

export interface ClusterOptions {
  readonly options: InitOptions
  /** The host's socket on 127.0.0.1. */
  readonly listener: Server
  readonly report: (message: string) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

export interface StartedCluster {
  readonly control: Omit<ControlPort, 'shutdown'>
  /** Resolves when every node is Ready; rejects when that takes too long. */
  readonly ready: Promise<void>
}

/** Pods made at once: the machine's cores are few, and forks of a busy process are not free. */
const podsAtOnce = 6
const readyTimeoutMs = 60_000

/** Puts the cluster together, in the order in which things need each other. */
export async function startCluster({ options, listener, report, clock, logger, signal }: ClusterOptions): Promise<StartedCluster> {
  const folder = stateFolder(options.stateDir)
  const { run, logs } = folder
  const topology = planTopology(options.nodeCount, options.family)
  const runners = new Map<string, NodeRunner>()
  const podRuntime = new RunnersPodRuntime(() => runners.values())

  report('making namespaces and links')
  const weft = options.cni === undefined
  const controlIps = topology.control.addresses.map(withoutPrefix)
  const [underlay, api] = await Promise.all([
    buildUnderlay(topology, `${run}/netns`),
    createApiServer({ stateDir: folder.cluster, config: { names: controlIps, serviceRanges: ofFamilies(options.family, clusterRanges.services) }, clock, logger: logger.child({ part: 'apiserver' }), podRuntime }),
  ])
  sealMachineTree(`${run}/rootfs/.machine`)
  layDevices(`${run}/devices`)
  const rootfs = buildRootfs(run)
  const environment = toolEnvironmentWith(rootfs.bin)

  await resumeAfterReboot(api)

  report('starting the API server')
  await Promise.all([api.serve(listener), ...controlIps.map((host) => api.serve({ host, port: apiServerPort }))])
  const controllers = createControllers({ storage: api.storage, client: api.client, clock, logger: logger.child({ part: 'controllers' }) }, {
    ca: api.ca,
    config: {
      serviceRanges: ofFamilies(options.family, clusterRanges.services),
      podRanges: ofFamilies(options.family, clusterRanges.pods),
      apiServerAddresses: controlIps,
      apiServerPort,
    },
  })
  void controllers.run(signal)
  await controllers.ready
  if (weft) await installAddons(api.client, topology)
  api.writeKubeconfig(folder.kubeconfig, options.server)

  report(`starting ${topology.nodes.length} nodes`)
  const sources: ProgramSources = {
    run, logs, environment,
    family: options.family,
    server: `https://${bracketed(controlIps[0]!)}:${apiServerPort}`,
    caCertificate: api.ca,
    tokenFor: (user) => api.tokenFor(user),
    plugin: options.plugin,
    configs: options.programs ?? {},
  }
  for (const node of topology.nodes) mkdirSync(nodePaths(run, node.name).cniConf, { recursive: true })
  const programs = new Map(topology.nodes.map((node) => [node.name, weft ? nodePrograms(node, sources).map((program) => new Supervisor(program)) : []]))
  const shared = [
    ...(weft ? clusterPrograms(sources).map((program) => new Supervisor(program)) : []),
    new Supervisor({ name: 'outside', command: inNetworkOf(underlay.outside, [`${rootfs.bin}/weft-probe`, 'netexec']), environment, logPath: `${logs}/outside.log` }),
  ]
  for (const supervisor of [...programs.values()].flat().concat(shared)) void supervisor.run(signal)
  for (const [node, conflist] of Object.entries(options.cni?.conflists ?? {})) writeFileSync(`${nodePaths(run, node).cniConf}/10-cni.conflist`, JSON.stringify(conflist))

  const pods = new Store<RunnerPod>({ indexes: { node: (pod) => [pod.nodeName] } })
  void reflect(api.client, runnerPodResource, pods, { clock, logger: logger.child({ part: 'pods' }), signal })
  const unready = new Set(topology.nodes.map(({ name }) => name))
  const allReady = Promise.withResolvers<void>()
  const onReadiness = (name: string) => ({ ready }: NodeReadiness): void => {
    if (ready && unready.delete(name)) report(`node ${name} is ready`)
    if (unready.size === 0) allReady.resolve()
  }
  const gate = new Gate(podsAtOnce)
  const dnsServers = ofFamilies(options.family, clusterRanges.dnsService)
  for (const node of topology.nodes) {
    const runner = new NodeRunner({
      node, pods, gate, clock, logs: `${logs}/pods`,
      netns: underlay.nodes.get(node.name)!,
      folder: nodePaths(run, node.name).folder,
      cniConfFolder: nodePaths(run, node.name).cniConf,
      cniBinFolders: [options.cni?.binFolder ?? cniBinFolder(nodePaths(run, node.name).folder)],
      kube: api.client,
      cluster: {
        rootfs, dnsServers,
        domain: 'cluster.local',
        apiService: ofFamilies(options.family, clusterRanges.kubernetesService)[0]!,
        caCertificate: api.ca,
        tokenFor: (namespace, account) => api.tokenFor(serviceAccountUser(namespace, account, node.name)),
        outerProc: process.env['WEFT_SANDBOX_OUTER_PROC'] === '1',
      },
      logger: logger.child({ node: node.name }),
      onReadiness: onReadiness(node.name),
    })
    runners.set(node.name, runner)
    void runner.run(signal)
  }
  const control = new ClusterControl({ folder, options, topology, underlay, runners, programs, shared, podRuntime, environment })
  return { control: control.port, ready: within(readyTimeoutMs, allReady.promise, () => new SandboxError('ERR_SANDBOX_START', `Cannot start the sandbox: ${control.describeUnready()}; logs are in ${logs}`)) }
}

async function within<T>(ms: number, promise: Promise<T>, fault: () => Error): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(fault()), ms)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip
}
