import type { NodeName } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { messageOf } from '@weft/daemon/message-of'
import { createObject, deleteObject, getObject, isAlreadyExists, type KubeConnection } from '@weft/kube'
import { architectureOf, isWrongArchitecture, wrongArchitecture } from './cluster/architecture.ts'
import { InstallError } from './errors.ts'

/** A program that runs once on nodes, in their own network. */
export interface NodeProgram {
  /** Pods are called this and the name of their node. */
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly capabilities: readonly string[]
  /** Folders of the node and where the program sees them. */
  readonly folders: readonly { readonly path: string, readonly at: string, readonly writable: boolean }[]
}

export interface NodeOutcome {
  readonly node: NodeName
  readonly ok: boolean
  /** What it printed, or why it could not run. */
  readonly output: string
}

interface RunOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly clock: Clock
  readonly onProgress?: ((done: number, all: number) => void) | undefined
}

interface PodStatus {
  readonly status?: {
    readonly phase?: string
    readonly containerStatuses?: readonly { readonly state?: { readonly waiting?: { readonly reason?: string, readonly message?: string }, readonly terminated?: { readonly message?: string } } }[]
  }
}

const namespace = 'kube-system'
const pollMs = 300
/** What a kubelet says of an image that it does not have and cannot get. */
const noImage = /^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName)$/

/** Runs a program on each node to its end, side by side, and takes its pods away again. Nothing is thrown for one that fails. */
export async function runOnNodes(kube: KubeConnection, nodes: readonly NodeName[], program: NodeProgram, options: RunOptions): Promise<readonly NodeOutcome[]> {
  let done = 0
  return await Promise.all(nodes.map(async (node) => {
    const outcome = await runOnNode(kube, node, program, options)
    options.onProgress?.(done += 1, nodes.length)
    return outcome
  }))
}

async function runOnNode(kube: KubeConnection, node: NodeName, program: NodeProgram, { signal, timeoutMs, clock }: RunOptions): Promise<NodeOutcome> {
  const name = `${program.name}-${node}`.slice(0, 253)
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const path = `${pods}/${name}`
  const deadline = clock.now() + timeoutMs
  try {
    // One that was interrupted may have left it.
    await create(kube, pods, podOf(name, node, program), { path, clock, signal, deadline })
    for (;;) {
      const { status } = await getObject<PodStatus>(kube, path, { signal })
      const { waiting, terminated } = status?.containerStatuses?.[0]?.state ?? {}
      const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed'
      // A program that did not even start has no log.
      const output = ended ? (await kube.text(`${path}/log`, { signal }).catch((error: unknown) => terminated?.message ?? messageOf(error))).trim() : ''
      if (isWrongArchitecture(`${waiting?.message ?? ''} ${terminated?.message ?? ''} ${output}`)) return { node, ok: false, output: wrongArchitecture(program.image, { node, architecture: await architectureOf(kube, node) }) }
      if (ended) return { node, ok: status?.phase === 'Succeeded', output: output === '' ? terminated?.message ?? '' : output }
      if (waiting?.reason !== undefined && noImage.test(waiting.reason)) return { node, ok: false, output: `the image ${program.image} is not on this node and cannot be pulled; load it (kind load image-archive, ctr -n k8s.io images import), or name one of a registry with --image` }
      if (clock.now() > deadline) return { node, ok: false, output: `it did not end within ${timeoutMs / 1000} s: ${waiting?.message ?? waiting?.reason ?? status?.phase ?? 'no kubelet took it'}` }
      await clock.sleep(pollMs, { signal })
    }
  } catch (error) {
    signal.throwIfAborted()
    return { node, ok: false, output: error instanceof Error ? error.message : String(error) }
  } finally {
    await deleteNow(kube, path).catch(() => undefined)
  }
}

async function create(kube: KubeConnection, pods: string, pod: object, { path, clock, signal, deadline }: { readonly path: string, readonly clock: Clock, readonly signal: AbortSignal, readonly deadline: number }): Promise<void> {
  for (;;) {
    try {
      await createObject(kube, pods, pod, { signal })
      return
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot start "${path}": a pod of that name does not go; \`kubectl -n ${namespace} get pods\` shows it`, { cause: error })
      await deleteNow(kube, path)
      await clock.sleep(pollMs, { signal })
    }
  }
}

async function deleteNow(kube: KubeConnection, path: string): Promise<void> {
  await kube.request('DELETE', path, { query: { gracePeriodSeconds: 0 } }).catch(async () => deleteObject(kube, path))
}

function podOf(name: string, nodeName: NodeName, { image, command, capabilities, folders }: NodeProgram): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': 'node-program' } },
    spec: {
      // No scheduler, and no network but the node's: neither may be there.
      nodeName,
      hostNetwork: true,
      restartPolicy: 'Never',
      tolerations: [{ operator: 'Exists' }],
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [{
        name: 'program',
        image,
        imagePullPolicy: 'IfNotPresent',
        command,
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'], add: capabilities } },
        volumeMounts: folders.map(({ at, writable }, index) => ({ name: `folder-${index}`, mountPath: at, readOnly: !writable })),
      }],
      volumes: folders.map(({ path, writable }, index) => ({ name: `folder-${index}`, hostPath: { path, type: writable ? 'DirectoryOrCreate' : '' } })),
    },
  }
}
