import type { Clock } from '@weft/daemon'
import { messageOf } from '@weft/daemon/message-of'
import { isForbidden, isUnreachable, type KubeConnection } from '@weft/kube'
import { manifests } from '@weft/manifests'
import { type ClusterFacts, readFacts } from './cluster/facts.ts'
import { InstallError } from './errors.ts'
import { describeNotices, type NodeHealth, readHealth, untilHealthy } from './health.ts'
import { applyAll, findObject, pathOf } from './objects.ts'
import { countNetworkedPods } from './pod-network.ts'
import { preflight, type PreflightReport } from './preflight.ts'
import { rememberDnsService, takeOver, untilDnsIsOurs } from './takeover.ts'
import { type GivenValues, imageValues, knowsApiServers, mergeValues, valuesFor, withRecord } from './values.ts'

export interface InstallOptions {
  /** Over the defaults, and over what the cluster tells. */
  readonly values: GivenValues
  readonly image?: string | undefined
  readonly replaceKubeProxy: boolean
  /** Installs although preflight found what fails. */
  readonly force: boolean
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  readonly onFacts?: ((facts: ClusterFacts) => void) | undefined
  readonly onPreflight?: ((reports: readonly PreflightReport[]) => void) | undefined
  readonly onProgress: (message: string) => void
}

/** What was installed. */
export interface Installed {
  readonly facts: ClusterFacts
  readonly health: readonly NodeHealth[]
  /** What Weft does now instead of others. */
  readonly replaced: readonly string[]
}

/** How long agents may take to find pods that they did not attach: they look twice, ten seconds apart. */
const noticeMs = 20_000
const pollMs = 300

/**
 * Brings the network up on a cluster: looks first, applies, waits until pods can be wired on every node, and takes over
 * from kube-proxy and CoreDNS last, when their work is done already.
 *
 * @throws {InstallError} `ERR_INSTALL_REFUSED` when preflight found what fails; nothing has been changed then.
 *   `ERR_INSTALL_TIMEOUT` with what keeps each node.
 */
export async function install(kube: KubeConnection, options: InstallOptions): Promise<Installed> {
  const { signal, clock, timeoutMs, force, replaceKubeProxy, onFacts, onPreflight, onProgress } = options
  onProgress('looking at the cluster')
  const facts = await readFacts(kube).catch((error: unknown) => {
    throw isForbidden(error) || isUnreachable(error) ? new InstallError('ERR_INSTALL_REFUSED', `Cannot look at the cluster: ${messageOf(error)}; wanted ${isForbidden(error) ? 'a kubeconfig of somebody who may do all' : 'a kubeconfig with an address that answers'}; nothing was changed`, { cause: error }) : error
  })
  onFacts?.(facts)
  const given = mergeValues(options.values, imageValues(options.image))
  const values = valuesFor(facts, given)
  const image = `${values.image.repository}:${values.image.tag}`

  const reports = await preflight(kube, facts, { image, values, replaceKubeProxy, knowsApiServers: knowsApiServers(values), signal, clock, onProgress: (done, all) => onProgress(`preflight: ${done} of ${all} nodes`) })
  onPreflight?.(reports)
  const failures = reports.flatMap(({ where, findings }) => findings.filter(({ level }) => level === 'fail').map(({ detail, remedy }) => `${where}: ${detail} (${remedy})`))
  if (failures.length > 0 && !force) throw new InstallError('ERR_INSTALL_REFUSED', `Cannot install network: ${failures.join('; ')}; nothing was changed`)

  onProgress('applying')
  const objects = withRecord(manifests(values), given)
  // Run again it finds pods that have a network.
  const isFirst = await findObject(kube, pathOf(objects.find(({ kind }) => kind === 'DaemonSet')!)) === undefined
  const stranded = isFirst ? Object.keys(await countNetworkedPods(kube, { signal })).length > 0 : false
  // Names resolve throughout: the Service of DNS comes last where somebody else answers behind it.
  const last = await rememberDnsService(kube, { signal }) ? objects.filter(({ kind, metadata }) => kind === 'Service' && metadata.name === 'kube-dns') : []
  await applyAll(kube, objects.filter((object) => !last.includes(object)), { signal })
  const health = await untilHealthy(kube, { signal, clock, timeoutMs, onProgress: (healthy, all) => onProgress(`network is up on ${healthy} of ${all} nodes`) })
  await applyAll(kube, last, { signal })
  if (last.length > 0) await untilDnsIsOurs(kube, { signal, clock, timeoutMs })
  const replaced = replaceKubeProxy ? await takeOver(kube, { signal, clock, timeoutMs }) : []
  if (!stranded) return { facts, health, replaced }
  onProgress('looking for pods that ran before')
  return { facts, health: await untilNoticed(kube, { signal, clock }), replaced }
}

/** Waits until an agent says that pods have no network, or all have had the time. Pods that ran when it was installed before have one. */
async function untilNoticed(kube: KubeConnection, { signal, clock }: Pick<InstallOptions, 'signal' | 'clock'>): Promise<readonly NodeHealth[]> {
  const deadline = clock.now() + noticeMs
  for (;;) {
    const health = await readHealth(kube, { signal })
    if (clock.now() > deadline || describeNotices(health).length === health.length) return health
    await clock.sleep(pollMs, { signal })
  }
}
