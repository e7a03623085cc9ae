import type { Clock } from '@weft/daemon'
import { getObject, type KubeConnection, listObjects } from '@weft/kube'
import { InstallError } from './errors.ts'

/** Label of a DaemonSet's pods, and of its ControllerRevisions: which template they are made of. */
export const revisionLabel = 'controller-revision-hash'

interface SetText {
  readonly metadata: { readonly uid: string, readonly generation: number }
  readonly status?: { readonly observedGeneration?: number }
}

interface RevisionText {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>, readonly ownerReferences?: readonly { readonly uid: string }[] }
  readonly revision: number
}

interface WaitOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
}

const pollMs = 100

/**
 * Waits until the controller of DaemonSets has seen a set as it is now: a pod deleted before that may come back as it was.
 *
 * @returns Value of {@link revisionLabel} of pods that are made from now on.
 * @throws {InstallError} `ERR_INSTALL_TIMEOUT` when no controller looks at it.
 */
export async function newestRevision(kube: KubeConnection, path: string, { signal, clock, timeoutMs }: WaitOptions): Promise<string> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { metadata, status } = await getObject<SetText>(kube, path, { signal })
    if ((status?.observedGeneration ?? 0) >= metadata.generation) {
      const { items } = await listObjects(kube, '/apis/apps/v1/namespaces/kube-system/controllerrevisions', { signal })
      const own = (items as readonly RevisionText[]).filter(({ metadata: { ownerReferences = [] } }) => ownerReferences.some(({ uid }) => uid === metadata.uid))
      const label = own.toSorted((a, b) => b.revision - a.revision)[0]?.metadata.labels?.[revisionLabel]
      if (label !== undefined) return label
    }
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot replace agents: the controller of DaemonSets has not looked at theirs for ${timeoutMs / 1000} s; is kube-controller-manager up?`)
    await clock.sleep(pollMs, { signal })
  }
}
