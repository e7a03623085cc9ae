// Started where the API server of a cluster answers: measures its network, tells each figure on standard error and prints one JSON line.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectCluster } from '@weft/checks'
import { percentile } from '@weft/daemon/bench'
import type { KubeConnection } from '@weft/kube'
import { setupTimes } from './network-setup.ts'
import { output } from './provider.ts'

/** What was measured on one cluster. */
export interface ClusterFigures {
  /** From the creation of each of 100 pods to Ready. */
  readonly podMs: readonly number[]
  /** What the runtime took for the network of a pod, the median. */
  readonly setupMs: number
  /** From the creation of each Service with 50 endpoints to its first answer. */
  readonly serviceMs: readonly number[]
  /** Of the network's programs on one worker, at each of {@link serviceCounts}. */
  readonly pssMib: readonly number[]
  /** Of one core, while nothing happens, at the least of {@link serviceCounts}. */
  readonly idlePercent: number
}

const namespace = 'bench'
const kinds = { pods: 'Pod', services: 'Service', endpointslices: 'EndpointSlice' } as const
const image = 'registry.k8s.io/e2e-test-images/agnhost:2.63.0'
const podCount = 100
const rounds = 20
const serviceCounts = [1000, 10_000] as const
/** What thousands of new objects left behind is collected by then. */
const settleSeconds = 30
const idleSeconds = 60

interface PodText {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly podIP?: string, readonly conditions?: readonly { readonly type: string, readonly status: string }[] }
}

const [path, ...programs] = process.argv.slice(2)
await using real = await connectCluster({ cluster: path })
const { kube } = real
const machines = real.machines!
const workers = ['node1', 'node2'].map((name) => machines.nodes[name]!.exec)
const worker = workers[0]!

await kube.request('POST', '/api/v1/namespaces', { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } } })
await untilDone(async () => kube.request('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`))
await Promise.all(workers.map(logInDetail))
const { podMs, addresses } = await measurePods()
say(`100 pods Ready: p50 ${percentile(podMs, 50).toFixed(0)} ms, p99 ${percentile(podMs, 99).toFixed(0)} ms`)
const setupMs = await measureSetup()
say(`network set-up in the runtime: p50 ${setupMs.toFixed(0)} ms`)
const serviceMs = await measureServices(addresses.slice(0, 50))
say(`Service applied until it answers: p50 ${percentile(serviceMs, 50).toFixed(0)} ms, p99 ${percentile(serviceMs, 99).toFixed(0)} ms`)
const pssMib: number[] = []
let idlePercent: number | undefined
let made = 0
for (const count of serviceCounts) {
  await manyServices(made, count, addresses.slice(0, 2))
  made = count
  await sleep(settleSeconds * 1000)
  pssMib.push(await pssOf(programs))
  say(`memory at ${count} services: ${pssMib.at(-1)!.toFixed(0)} MiB`)
  if (idlePercent !== undefined) continue
  idlePercent = await measureIdle()
  say(`CPU of a node, idle, at ${count} services: ${idlePercent.toFixed(2)} % of a core`)
}
const figures: ClusterFigures = { podMs, setupMs, serviceMs, pssMib, idlePercent: idlePercent! }
process.stdout.write(`${JSON.stringify(figures)}\n`)

function say(figure: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${programs.join(' + ')}: ${figure}\n`)
}

/** The runtime tells when it begins with the network of a pod, and with what result, at level `debug` only. It starts again by itself. */
async function logInDetail(exec: readonly string[]): Promise<void> {
  const config = `$(tr '\\0' '\\n' <"/proc/$(pidof -s containerd)/cmdline" | grep -x -A1 -e --config | tail -n 1)`
  await output([...exec, 'sh', '-c', `config=${config}; config=\${config:-/etc/containerd/config.toml}; grep -q '^\\[debug\\]' "$config" || { printf '[debug]\\nlevel = "debug"\\n' >>"$config" && kill "$(pidof -s containerd)"; }`])
  await sleep(2000)
  await untilDone(() => output([...exec, 'pidof', '-s', 'containerd']))
  // kubelets come back to it at their own pace.
  await sleep(10_000)
}

async function measurePods(): Promise<{ readonly podMs: readonly number[], readonly addresses: readonly string[] }> {
  const created = new Map<string, number>()
  const ready = new Map<string, number>()
  const ips: string[] = []
  const stop = new AbortController()
  const opened = Promise.withResolvers<void>()
  const watching = (async () => {
    for await (const { object } of kube.watch(`/api/v1/namespaces/${namespace}/pods`, {}, { signal: stop.signal, onOpen: () => opened.resolve() })) {
      const { metadata: { name }, status } = object as PodText
      if (ready.has(name) || status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') !== true) continue
      ready.set(name, performance.now())
      ips.push(status.podIP!)
      if (ready.size === podCount) return
    }
  })()
  await opened.promise
  await Promise.all(Array.from({ length: podCount }, async (_, index) => {
    const name = `pod-${index}`
    created.set(name, performance.now())
    await create(kube, 'pods', { metadata: { name }, spec: { nodeName: `node${1 + index % 2}`, terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [{ name: 'main', image, args: ['netexec', '--http-port=8080', '--udp-port=-1'] }] } })
  }))
  const timer = setTimeout(() => stop.abort(new Error(`Cannot measure pods: ${ready.size} of ${podCount} are Ready after 300 s`)), 300_000)
  await watching
  clearTimeout(timer)
  return { podMs: [...ready].map(([name, at]) => at - created.get(name)!), addresses: ips }
}

/** What the runtimes' logs say of the pods that {@link measurePods} made. */
async function measureSetup(): Promise<number> {
  const times = new Map<string, number>()
  for (const exec of workers) {
    const log = await output([...exec, 'sh', '-c', 'cat "/proc/$(pidof -s containerd)/fd/2" 2>/dev/null || journalctl -u containerd -o cat --no-pager'])
    for (const [name, ms] of setupTimes(log)) times.set(name, ms)
  }
  const found = [...times].filter(([name]) => name.startsWith('pod-')).map(([, ms]) => ms)
  if (found.length < podCount / 2) throw new Error(`Cannot measure the network set-up: the logs of the runtime tell of ${found.length} of ${podCount} pods`)
  return percentile(found, 50)
}

async function measureServices(endpoints: readonly string[]): Promise<readonly number[]> {
  const prober = spawn(worker[0]!, [...worker.slice(1), process.execPath, join(import.meta.dirname, 'connect-loop.js')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: prober.stdout })[Symbol.asyncIterator]()
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const name = `measured-${round}`
    const clusterIP = `10.96.77.${round + 1}`
    await create(kube, 'endpointslices', sliceOf(name, endpoints))
    prober.stdin.write(`${clusterIP} 80\n`)
    await sleep(1500)
    const start = process.hrtime.bigint()
    await create(kube, 'services', { metadata: { name }, spec: { clusterIP, ports: [{ port: 80, targetPort: 8080 }] } })
    times.push(Number(BigInt((await answers.next()).value as string) - start) / 1e6)
  }
  prober.kill()
  return times
}

/** Of one core, in percent. */
async function measureIdle(): Promise<number> {
  const before = await cpuSecondsOf(programs)
  const start = performance.now()
  await sleep(idleSeconds * 1000)
  const used = await cpuSecondsOf(programs) - before
  return used * 1e5 / (performance.now() - start)
}

/** Services `first` to `end`, without the latter. */
async function manyServices(first: number, end: number, endpoints: readonly string[]): Promise<void> {
  let next = first
  const work = async (): Promise<void> => {
    for (let index = next++; index < end; index = next++) {
      await create(kube, 'services', { metadata: { name: `many-${index}` }, spec: { ports: [{ port: 80, targetPort: 8080 }] } })
      await create(kube, 'endpointslices', sliceOf(`many-${index}`, endpoints))
    }
  }
  await Promise.all(Array.from({ length: 10 }, work))
}

function sliceOf(service: string, addresses: readonly string[]): object {
  return { metadata: { name: service, labels: { 'kubernetes.io/service-name': service } }, addressType: 'IPv4', endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })), ports: [{ name: '', port: 8080, protocol: 'TCP' }] }
}

async function create(client: KubeConnection, collection: keyof typeof kinds, body: object): Promise<void> {
  const apiVersion = collection === 'endpointslices' ? 'discovery.k8s.io/v1' : 'v1'
  await client.request('POST', `/${apiVersion === 'v1' ? 'api' : 'apis'}/${apiVersion}/namespaces/${namespace}/${collection}`, { body: { apiVersion, kind: kinds[collection], ...body } })
}

/** Of every process whose program has one of these names, on whichever machine the first of them is: DNS has not a replica on each. */
async function pidsOf(name: string): Promise<{ readonly exec: readonly string[], readonly pids: readonly string[] }> {
  const script = `for p in /proc/[0-9]*; do if tr '\\0' '\\n' <"$p/cmdline" 2>/dev/null | sed 's,.*/,,' | grep -qx '[${name[0]}]${name.slice(1)}'; then echo "\${p#/proc/}"; fi; done`
  for (const exec of [worker, ...Object.values(machines.nodes).map((node) => node.exec)]) {
    const pids = (await output([...exec, 'sh', '-c', script])).split('\n').filter((pid) => pid !== '')
    if (pids.length > 0) return { exec, pids }
  }
  throw new Error(`Cannot measure "${name}": it runs nowhere`)
}

async function pssOf(names: readonly string[]): Promise<number> {
  let kib = 0
  for (const name of names) {
    const { exec, pids } = await pidsOf(name)
    for (const pid of pids) kib += Number(/^Pss:\s+(\d+)/m.exec(await output([...exec, 'cat', `/proc/${pid}/smaps_rollup`]))![1])
  }
  return kib / 1024
}

/** By the scheduler's clock of each thread, in seconds: ticks of a hundredth are as much as an idle program uses in some seconds. */
async function cpuSecondsOf(names: readonly string[]): Promise<number> {
  let nanoseconds = 0
  for (const name of names) {
    const { exec, pids } = await pidsOf(name)
    for (const pid of pids) {
      const threads = (await output([...exec, 'sh', '-c', `cat /proc/${pid}/task/*/schedstat`])).trimEnd().split('\n')
      for (const thread of threads) nanoseconds += Number(thread.split(' ', 1)[0])
    }
  }
  return nanoseconds / 1e9
}

async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await work().then(() => true, () => false)) return
    await sleep(100)
  }
}
