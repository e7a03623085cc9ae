import type { NodeName } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { deleteObject, getObject, type KubeConnection } from '@weft/kube'
import { type KubeObject, manifests } from '@weft/manifests'
import { readFacts } from './cluster/facts.ts'
import { newestRevision } from './daemon-set-revision.ts'
import { InstallError } from './errors.ts'
import { describeHealth, isHealthy, type NodeHealth, readHealth, untilHealthy } from './health.ts'
import { applyAll, pathOf } from './objects.ts'
import { type GivenValues, imageValues, installedValues, mergeValues, valuesFor, withRecord } from './values.ts'

export interface UpgradeOptions {
  /** Over those of the installation that is there; null takes one of them away. */
  readonly values: GivenValues
  readonly image?: string | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
  /** For each node. */
  readonly timeoutMs: number
  readonly onProgress: (message: string) => void
}

const pollMs = 300

/**
 * Another version, or another configuration, one node after the other: the next one is touched only when pods can be
 * wired on the one before. What is in the kernel stays while an agent is away, so traffic flows throughout.
 *
 * One that stopped on its way goes on when it is run again, to this version or another: nodes that are where they should
 * be are not touched, and those that are sick come first.
 *
 * @returns Names of the nodes whose agent was replaced, in order.
 * @throws {InstallError} `ERR_INSTALL_UPGRADE` at the first node that does not come back; those after it run the old version.
 */
export async function upgrade(kube: KubeConnection, options: UpgradeOptions): Promise<readonly string[]> {
  const { signal, clock, timeoutMs, onProgress } = options
  const given = mergeValues(mergeValues(withoutTag(await installedValues(kube)), options.values), imageValues(options.image))
  const objects = withRecord(manifests(valuesFor(await readFacts(kube), given)), given)
  const set = objects.find(({ kind }) => kind === 'DaemonSet')!
  const sick = (await readHealth(kube, { signal })).filter((each) => !isHealthy(each))
  if (sick.length > 0 && !(await isUnderway(kube, pathOf(set)))) throw new InstallError('ERR_INSTALL_UPGRADE', `Cannot begin upgrade: ${sick.map(describeHealth).join('; ')}; mend that first, or let \`weft install\` apply what mends it`)

  // Whoever replaces pods of the set is this command, not the controller of DaemonSets.
  await applyAll(kube, objects.map((object) => (object === set ? onDelete(object) : object)), { signal })
  const revision = await newestRevision(kube, pathOf(set), { signal, clock, timeoutMs })
  const outdated = (await readHealth(kube, { signal })).filter((each) => !isCurrent(each, revision)).toSorted((a, b) => Number(isHealthy(a)) - Number(isHealthy(b)))
  for (const [index, { node, pod }] of outdated.entries()) {
    onProgress(`upgrading ${node} (${index + 1} of ${outdated.length})`)
    if (pod !== undefined && pod.revision !== revision) await deleteObject(kube, `/api/v1/namespaces/kube-system/pods/${pod.name}`, { signal })
    await untilCurrent(kube, node, { revision, signal, clock, timeoutMs, remaining: outdated.length - index - 1 })
  }
  await applyAll(kube, [set], { signal })
  await untilHealthy(kube, { signal, clock, timeoutMs })
  return outdated.map(({ node }) => node)
}

/** The repository is that of a cluster, the tag that of a version: an upgrade without one is to the version of this program. */
function withoutTag(given: GivenValues): GivenValues {
  return mergeValues(given, 'image' in given ? { image: { tag: null } } : {})
}

function isCurrent(health: NodeHealth, revision: string): boolean {
  return isHealthy(health) && health.pod?.revision === revision
}

function onDelete(set: KubeObject): KubeObject {
  return { ...set, spec: { ...(set['spec'] as object), updateStrategy: { type: 'OnDelete', rollingUpdate: null } } }
}

/** Another upgrade began and did not end. */
async function isUnderway(kube: KubeConnection, path: string): Promise<boolean> {
  const { spec } = await getObject<{ readonly spec: { readonly updateStrategy?: { readonly type?: string } } }>(kube, path)
  return spec.updateStrategy?.type === 'OnDelete'
}

interface CurrentOptions {
  readonly revision: string
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  readonly remaining: number
}

async function untilCurrent(kube: KubeConnection, node: NodeName, { revision, signal, clock, timeoutMs, remaining }: CurrentOptions): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const health = (await readHealth(kube, { signal })).find((each) => each.node === node)
    // The node itself is gone.
    if (health === undefined || isCurrent(health, revision)) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_UPGRADE', `Cannot upgrade node "${node}": ${isHealthy(health) ? 'its agent is still the one before' : describeHealth(health)} after ${timeoutMs / 1000} s; ${remaining} nodes keep the version before. Mend the node and upgrade again, or upgrade to the version before: either goes on from here`)
    await clock.sleep(pollMs, { signal })
  }
}
