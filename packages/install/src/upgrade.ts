import type { Clock } from '@weft/daemon'
import { deleteObject, isNotFound, type KubeConnection } from '@weft/kube'
import { type KubeObject, manifests } from '@weft/manifests'
import { readFacts } from './cluster/facts.ts'
import { InstallError } from './errors.ts'
import { describeHealth, isHealthy, readHealth, untilHealthy } from './health.ts'
import { valuesFor } from './install.ts'
import { applyAll } from './objects.ts'

export interface UpgradeOptions {
  readonly values: Readonly<Record<string, unknown>>
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
 * @returns Names of the nodes, in order.
 * @throws {InstallError} `ERR_INSTALL_UPGRADE` at the first node that does not come back; those after it run the old version.
 */
export async function upgrade(kube: KubeConnection, options: UpgradeOptions): Promise<readonly string[]> {
  const { signal, clock, timeoutMs, onProgress } = options
  const facts = await readFacts(kube)
  const before = await readHealth(kube, { signal })
  const sick = before.filter((each) => !isHealthy(each))
  if (sick.length > 0) throw new InstallError('ERR_INSTALL_UPGRADE', `Cannot begin upgrade: ${sick.map(describeHealth).join('; ')}; mend that first`)

  const objects = manifests(valuesFor(facts, options))
  // Whoever replaces pods of the set is this command, not the controller of DaemonSets.
  await applyAll(kube, objects.map((object) => (object.kind === 'DaemonSet' ? onDelete(object) : object)), { signal })
  const upgraded: string[] = []
  for (const { node, pod } of before) {
    onProgress(`upgrading ${node} (${upgraded.length + 1} of ${before.length})`)
    await deleteObject(kube, `/api/v1/namespaces/kube-system/pods/${pod!.name}`, { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
    await untilReplaced(kube, { node, old: pod!.name }, { signal, clock, timeoutMs, remaining: before.length - upgraded.length - 1 })
    upgraded.push(node)
  }
  await applyAll(kube, objects.filter(({ kind }) => kind === 'DaemonSet'), { signal })
  await untilHealthy(kube, { signal, clock, timeoutMs })
  return upgraded
}

function onDelete(set: KubeObject): KubeObject {
  return { ...set, spec: { ...(set['spec'] as object), updateStrategy: { type: 'OnDelete', rollingUpdate: null } } }
}

interface ReplaceOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  readonly remaining: number
}

async function untilReplaced(kube: KubeConnection, { node, old }: { readonly node: string, readonly old: string }, { signal, clock, timeoutMs, remaining }: ReplaceOptions): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const health = (await readHealth(kube, { signal })).find((each) => each.node === node)
    if (health === undefined) return
    if (isHealthy(health) && health.pod!.name !== old) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_UPGRADE', `Cannot upgrade node "${node}": ${describeHealth(health)} after ${timeoutMs / 1000} s; ${remaining} nodes keep the version before. Mend the node, or upgrade to that version`)
    await clock.sleep(pollMs, { signal })
  }
}
