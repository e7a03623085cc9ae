import { parseNodeName } from '@weft/api'
import { type Cluster, demoNamespace, type LoadReport, type Place } from '@weft/checks'
import { demoPods, type PodText } from './objects.ts'

interface Target {
  readonly host: string
  readonly port: number
}

/** One run of the load lasts so long, in milliseconds; they follow one another while there is work. */
const runMs = 3000
/** A lookup of a name is tried again after 5 s. */
const requestTimeoutMs = 12_000
const rate = 25

/**
 * Steady requests out of a pod, by processes that node's own shell puts into it: nothing that is killed or away while they
 * run, be it API server, kubelet or runtime, holds them.
 */
export class Traffic {
  readonly #cluster: Cluster
  readonly #node: Place
  readonly #container: string

  private constructor(cluster: Cluster, node: Place, container: string) {
    this.#cluster = cluster
    this.#node = node
    this.#container = container
  }

  /** From the first container of the demo's client. */
  static async fromClient(cluster: Cluster): Promise<Traffic> {
    return await Traffic.fromPod(cluster, `${demoPods}/client`, 'web')
  }

  /** From a container of a pod, by the pod's path in the API. */
  static async fromPod(cluster: Cluster, path: string, container: string): Promise<Traffic> {
    const { spec, status } = await cluster.kube.request<PodText>('GET', path)
    const id = status?.containerStatuses?.find(({ name }) => name === container)?.containerID?.replace(/^.*:\/\//, '')
    if (id === undefined) throw new Error(`Cannot find container "${container}" of "${path}": it does not run`)
    return new Traffic(cluster, { kind: 'node', name: parseNodeName(spec.nodeName!) }, id)
  }

  /** A Service by its addresses and by its name: the name asks DNS each time. */
  async service(name: string, namespace: string = demoNamespace): Promise<readonly Target[]> {
    const { spec } = await this.#cluster.kube.request<{ readonly spec: { readonly clusterIPs: readonly string[] } }>('GET', `/api/v1/namespaces/${namespace}/services/${name}`)
    return [...spec.clusterIPs, `${name}.${namespace}.svc.cluster.local.`].map((host) => ({ host, port: 80 }))
  }

  /**
   * Does work under load.
   *
   * @returns What was lost; empty when nothing was.
   */
  async during(targets: readonly Target[], work: () => Promise<void>): Promise<string> {
    let working = true
    const reports: (LoadReport & { readonly target: Target })[] = []
    const load = (async () => {
      while (working) reports.push(...await this.#run(targets))
    })()
    // Told below, when the work has ended.
    load.catch(() => undefined)
    try {
      await work()
    } finally {
      working = false
    }
    await load
    const sent = reports.reduce((sum, report) => sum + report.sent, 0)
    const lost = reports.filter((report) => report.answered < report.sent)
    if (sent < 100) return `only ${sent} requests were sent`
    console.log(`${sent} requests to ${targets.map(({ host }) => host).join(', ')}, ${lost.reduce((sum, report) => sum + report.sent - report.answered, 0)} lost, slowest ${targets.map(({ host }) => Math.max(...reports.filter(({ target }) => target.host === host).map(({ longestMs }) => longestMs)).toFixed(0)).join(', ')} ms`)
    return lost.map(({ target, sent: all, answered, failed, firstFailure }) => `${target.host}: ${all - answered} of ${all} requests lost: ${JSON.stringify(failed)} ${firstFailure ?? ''}`).join('; ')
  }

  async #run(targets: readonly Target[]): Promise<readonly (LoadReport & { readonly target: Target })[]> {
    const questions = targets.map(({ host, port }) => ({ kind: 'load', protocol: 'http', host, port, rate, durationMs: runMs, timeoutMs: requestTimeoutMs }))
    const script = `for p in /proc/[0-9]*; do if grep -q ${this.#container} "$p/cgroup" 2>/dev/null; then exec nsenter --target "\${p#/proc/}" --mount --net -- ${[...this.#cluster.probe.command, 'ask'].join(' ')}; fi; done; echo "the container is gone" >&2; exit 1`
    const { code, stdout, stderr } = await this.#cluster.run(this.#node, ['sh', '-c', script], { stdin: JSON.stringify(questions), timeoutMs: runMs + requestTimeoutMs + 30_000 })
    if (code !== 0) throw new Error(`Cannot put load on the network: ${stderr.trim()}`)
    const answers = JSON.parse(stdout) as readonly { readonly answers: readonly string[] }[]
    return answers.map(({ answers: [report] }, index) => ({ ...JSON.parse(report!) as LoadReport, target: targets[index]! }))
  }
}
