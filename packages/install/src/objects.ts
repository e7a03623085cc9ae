import { messageOf } from '@weft/daemon/message-of'
import { applyObject, deleteObject, getObject, isNotFound, type KubeConnection, objectPath } from '@weft/kube'
import type { KubeObject } from '@weft/manifests'
import { InstallError } from './errors.ts'

/** Who owns the fields of what is installed. */
const fieldManager = 'weft-install'

/** REST collection of each kind that an installation has. */
const collections: Readonly<Record<string, string>> = {
  ServiceAccount: '/api/v1/serviceaccounts',
  ConfigMap: '/api/v1/configmaps',
  Service: '/api/v1/services',
  DaemonSet: '/apis/apps/v1/daemonsets',
  Deployment: '/apis/apps/v1/deployments',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/rolebindings',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ServiceMonitor: '/apis/monitoring.coreos.com/v1/servicemonitors',
  PodDisruptionBudget: '/apis/policy/v1/poddisruptionbudgets',
  ValidatingAdmissionPolicy: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
}

/** @throws {RangeError} For a kind that this list does not have: it must be added here. */
export function pathOf({ kind, metadata: { namespace, name } }: KubeObject): string {
  const collection = collections[kind]
  if (collection === undefined) throw new RangeError(`Cannot address ${kind} "${name}": its collection is not known here`)
  return objectPath(collection, { ...(namespace === undefined ? {} : { namespace }), name })
}

/** An object, or undefined where there is none. */
export async function findObject<T>(kube: KubeConnection, path: string): Promise<T | undefined> {
  try {
    return await getObject<T>(kube, path)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/**
 * Applies objects in order; what others own of them stays, except the fields they name. When one is refused, those that were not there before go again:
 * half an installation is none.
 *
 * @throws {InstallError} `ERR_INSTALL_REFUSED` with the object that was refused, and why.
 */
export async function applyAll(kube: KubeConnection, objects: readonly KubeObject[], { signal }: { readonly signal: AbortSignal }): Promise<void> {
  const absent = new Set((await Promise.all(objects.map(async (object) => (await getObject(kube, pathOf(object), { signal }).then(() => false, isNotFound) ? object : [])))).flat())
  const made: KubeObject[] = []
  for (const object of objects) {
    try {
      await applyObject(kube, pathOf(object), object, { fieldManager, force: true, signal })
      if (absent.has(object)) made.push(object)
    } catch (error) {
      const left = await deleteAll(kube, made, {}).then(() => 'what was made is taken back', (failure: unknown) => `what was made could not be taken back (${messageOf(failure)}): \`weft uninstall\` does that`)
      signal.throwIfAborted()
      throw new InstallError('ERR_INSTALL_REFUSED', `Cannot apply ${object.kind} "${object.metadata.name}": ${messageOf(error)}; ${left}`, { cause: error })
    }
  }
}

/** Deletes objects, the last applied first; those that are not there are fine. */
export async function deleteAll(kube: KubeConnection, objects: readonly KubeObject[], { signal }: { readonly signal?: AbortSignal }): Promise<void> {
  for (const object of objects.toReversed()) {
    await deleteObject(kube, pathOf(object), signal === undefined ? {} : { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }
}

