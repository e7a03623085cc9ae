import { readFileSync } from 'node:fs'
import type { ControlPort } from '../control/server.ts'
import type { LogRequest, ProgramStatus, RunRequest, SandboxStatus, Target } from '../control/protocol.ts'
import type { StateFolder } from '../host/state-folder.ts'
import type { InitOptions } from '../launch-protocol.ts'
import { controllerSocket, nodePaths } from '../node-programs.ts'
import type { NodeRunner } from '../runner/node-runner.ts'
import type { RunnersPodRuntime } from '../runner/pod-runtime.ts'
import type { Underlay } from '../underlay/build.ts'
import { type Topology, withoutPrefix } from '../underlay/topology.ts'
import { inNetworkOf, spawnCommand } from './command.ts'
import type { Supervisor } from './supervisor.ts'
import type { ToolEnvironment } from './tool-environment.ts'

export interface ClusterControlOptions {
  readonly folder: StateFolder
  readonly options: InitOptions
  readonly topology: Topology
  readonly underlay: Underlay
  readonly runners: ReadonlyMap<string, NodeRunner>
  /** Programs of each node, agent first. */
  readonly programs: ReadonlyMap<string, readonly Supervisor[]>
  readonly shared: readonly Supervisor[]
  readonly podRuntime: RunnersPodRuntime
  readonly environment: ToolEnvironment
}

/** What the control socket asks of a running cluster. */
export class ClusterControl {
  readonly #options: ClusterControlOptions

  constructor(options: ClusterControlOptions) {
    this.#options = options
  }

  get port(): Omit<ControlPort, 'shutdown'> {
    return {
      status: () => this.status(),
      run: ({ target, command }: RunRequest) => spawnCommand(this.#commandIn(target, command), { environment: this.#options.environment }),
      logs: (log, signal) => this.#logs(log, signal),
      killAgent: (node) => this.#program(node, 'agent').kill(),
      adminSocket: (program, node) => {
        const { run } = this.#options.folder
        if (program === 'controllers') return controllerSocket(run)
        const { adminSocket, dnsSocket } = nodePaths(run, this.#runnerName(node))
        return program === 'agents' ? adminSocket : dnsSocket
      },
      checkAttachment: async ({ namespace, name }) => {
        const pod = this.#options.podRuntime.pod(namespace, name)
        await this.#options.runners.get(pod.pod.spec.nodeName ?? '')!.checkAttachment(pod)
      },
      enter: (target) => ({ command: this.#commandIn(target, []), environment: this.#options.environment }),
    }
  }

  status(): SandboxStatus {
    const { topology, runners, programs, shared, options, folder } = this.#options
    const nodes = topology.nodes.map((node) => {
      const runner = runners.get(node.name)!
      return {
        name: node.name,
        segment: node.segment,
        addresses: node.addresses.map(withoutPrefix),
        ready: runner.readiness.ready,
        reason: runner.readiness.ready ? '' : runner.readiness.message,
        pods: runner.podCount,
        programs: statuses(programs.get(node.name) ?? []),
      }
    })
    return { family: options.family, server: options.server, kubeconfig: folder.kubeconfig, ready: nodes.every(({ ready }) => ready), nodes, programs: statuses(shared) }
  }

  /** For the failure to start: which nodes are not ready and why. */
  describeUnready(): string {
    return this.status().nodes.filter(({ ready }) => !ready).map(({ name, reason, programs }) => {
      const broken = programs.filter(({ lastEnd }) => lastEnd !== undefined).map((program) => `${program.name} ${program.lastEnd}`)
      return [`node ${name} is not ready: ${reason}`, ...broken].join(', ')
    }).join('; ')
  }

  #commandIn(target: Target, command: readonly string[]): readonly string[] {
    const { underlay, podRuntime } = this.#options
    switch (target.kind) {
      case 'pod': {
        const unit = podRuntime.pod(target.namespace, target.name).container(target.container)
        if (unit.process === undefined) throw new RangeError(`Cannot run a command in container "${unit.container.name}" of pod "${target.namespace}/${target.name}": it is not running`)
        return unit.process.execCommand(command)
      }
      case 'node': return inNetworkOf(underlay.nodes.get(this.#runnerName(target.node)), command)
      case 'outside': return inNetworkOf(underlay.outside, command)
      case 'router': return inNetworkOf(underlay.router, command)
      case 'sandbox': return command
      default: return target satisfies never
    }
  }

  #logs({ source, tail, follow, timestamps }: LogRequest, signal: AbortSignal): AsyncIterable<string> {
    const { folder, podRuntime } = this.#options
    switch (source.kind) {
      case 'pod': return decoded(podRuntime.logs(source.namespace, source.name, source.container, { follow: follow === true, tailLines: tail, timestamps: timestamps === true, previous: source.previous === true, signal }))
      case 'agent':
      case 'dns': return this.#program(source.node, source.kind).readLog({ tail, follow, signal })
      case 'controller': {
        const controller = this.#options.shared.find(({ status }) => status.name === 'controller')
        if (controller === undefined) throw new RangeError('Cannot find the log of "controller": the sandbox runs none')
        return controller.readLog({ tail, follow, signal })
      }
      case 'init': return once(readFileSync(`${folder.logs}/init.log`, 'utf8').split('\n').slice(tail === undefined ? 0 : -tail - 1).join('\n'))
      default: return source satisfies never
    }
  }

  #program(node: string, kind: string): Supervisor {
    const supervisor = this.#options.programs.get(this.#runnerName(node))?.find(({ status }) => status.name === `${kind} ${node}`)
    if (supervisor === undefined) throw new RangeError(`Cannot find ${kind} of node "${node}": the sandbox runs none`)
    return supervisor
  }

  #runnerName(node: string): string {
    if (!this.#options.runners.has(node)) throw new RangeError(`Cannot find node "${node}": there are ${[...this.#options.runners.keys()].join(', ')}`)
    return node
  }
}

function statuses(supervisors: readonly Supervisor[]): ProgramStatus[] {
  return supervisors.map(({ status }) => status)
}

async function* decoded(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true })
}

async function* once(text: string): AsyncIterable<string> {
  yield text
}
