import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { RouteSocket } from '@weft/netlink'
import { unshareArguments } from '../src/host/machine.ts'
import { startSandbox, type SandboxHandle, type StartOptions } from '../src/host/start.ts'
import { standInNetwork } from './stand-in-network.ts'

/** Why sandboxes cannot be started here; undefined when they can. */
export function sandboxImpossible(): string | undefined {
  const { status, stderr } = spawnSync('unshare', [...unshareArguments, 'true'], { encoding: 'utf8' })
  return status === 0 ? undefined : `Needs nested user namespaces: ${stderr.trim()}`
}

/** A folder for one test. */
export class TestFolder implements Disposable {
  readonly path: string

  constructor() {
    this.path = mkdtempSync(`${tmpdir()}/weft-sandbox-`)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** A sandbox with the stand-in network, which ends with the test process. */
export async function startTestSandbox(folder: TestFolder, options: Partial<StartOptions> = {}): Promise<TestSandbox> {
  bringUpLoopback()
  const network = standInNetwork(`${folder.path}/cni`, options.nodes ?? 2)
  const handle = await startSandbox({ stateDir: `${folder.path}/state`, nodes: 2, cni: network, attached: true, ...options })
  return new TestSandbox(handle, network.refuseFile)
}

/** Kernel tests start in a new network namespace, where even loopback is down. */
function bringUpLoopback(): void {
  using socket = RouteSocket.openHere()
  const link = socket.link('lo')
  if (!link.up) socket.setLink(link.index, { up: true })
}

/** A running sandbox and what tests ask of it. */
export class TestSandbox implements AsyncDisposable {
  readonly handle: SandboxHandle
  /** While this file exists the network refuses pods. */
  readonly refuseFile: string

  constructor(handle: SandboxHandle, refuseFile: string) {
    this.handle = handle
    this.refuseFile = refuseFile
  }

  /** A call to the API server over the host's socket, as the administrator. */
  async api<T = unknown>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
    const kubeconfig: Kubeconfig = JSON.parse(readFileSync(this.handle.kubeconfigPath, 'utf8'))
    const token = kubeconfig.users[0]!.user.token
    const ca = Buffer.from(kubeconfig.clusters[0]!.cluster['certificate-authority-data'], 'base64').toString()
    const { Agent, request } = await import('undici')
    const answer = await request(`${this.handle.server}${path}`, {
      method,
      headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      dispatcher: new Agent({ connect: { ca } }),
    })
    const json: T = JSON.parse(await answer.body.text())
    if (answer.statusCode >= 400) throw new Error(`${answer.statusCode}: ${JSON.stringify(json)}`)
    return json
  }

  async createPod(name: string, spec: object, metadata: object = {}): Promise<void> {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { nodeName: 'n1', terminationGracePeriodSeconds: 1, ...spec } }
    await this.api('POST', '/api/v1/namespaces/default/pods', pod)
  }

  async pod(name: string): Promise<TestPod | undefined> {
    try {
      return await this.api<TestPod>('GET', `/api/v1/namespaces/default/pods/${name}`)
    } catch (error) {
      if (String(error).includes('404')) return undefined
      throw error
    }
  }

  async deletePod(name: string, gracePeriodSeconds?: number): Promise<void> {
    await this.api('DELETE', `/api/v1/namespaces/default/pods/${name}`, gracePeriodSeconds === undefined ? undefined : { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds })
  }

  /** Looks at a pod until it is as wanted. */
  async waitFor(name: string, wanted: (pod: TestPod | undefined) => boolean, timeoutMs = 10_000): Promise<TestPod> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const pod = await this.pod(name)
      if (wanted(pod)) return pod!
      if (performance.now() > deadline) throw new Error(`pod ${name} is not as wanted after ${timeoutMs} ms: ${JSON.stringify(pod?.status)}`)
      await sleep(20)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.stop()
  }
}

/** The sandbox writes it as JSON, which is YAML too. */
interface Kubeconfig {
  readonly users: readonly { readonly user: { readonly token: string } }[]
  readonly clusters: readonly { readonly cluster: { readonly 'certificate-authority-data': string } }[]
}

export interface TestPod {
  readonly metadata: { readonly uid: string, readonly deletionTimestamp?: string }
  readonly status: {
    readonly phase: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly { readonly type: string, readonly status: string }[]
    readonly containerStatuses?: readonly { readonly name: string, readonly ready: boolean, readonly restartCount: number, readonly state: Record<string, { readonly reason?: string, readonly exitCode?: number, readonly message?: string }>, readonly lastState: Record<string, { readonly exitCode?: number }> }[]
  }
}

export function isReady(pod: TestPod | undefined): boolean {
  return pod?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

/** Processes whose command line has a word, as the host sees them. */
export function processesWith(word: string): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return command.includes(word) ? [`${pid} ${command.replaceAll('\0', ' ').slice(0, 120)}`] : []
    } catch {
      return []
    }
  })
}

/** Mounts of this mount namespace below a folder. */
export function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(` ${folder}`))
}

