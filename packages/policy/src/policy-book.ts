import type { PodIdentity, PolicyNamespace } from './model.ts'
import { isSubject, type PolicyHead } from './policy-head.ts'

/** The policies in force, those of namespaces by namespace: a pod is looked at by its own and by those of the cluster. */
export class PolicyBook {
  readonly #namespaces: ReadonlyMap<string, PolicyNamespace>
  readonly #byNamespace = new Map<string, Map<string, PolicyHead>>()
  readonly #cluster = new Map<string, PolicyHead>()

  constructor(namespaces: ReadonlyMap<string, PolicyNamespace>) {
    this.#namespaces = namespaces
  }

  get size(): number {
    return this.#byNamespace.values().reduce((sum, { size }) => sum + size, this.#cluster.size)
  }

  /** Whether pods are looked at by the labels of their namespaces. */
  get hasClusterPolicies(): boolean {
    return this.#cluster.size > 0
  }

  /** @param namespace Undefined for policies of the cluster. */
  get(namespace: string | undefined, key: string): PolicyHead | undefined {
    return (namespace === undefined ? this.#cluster : this.#byNamespace.get(namespace))?.get(key)
  }

  set(namespace: string | undefined, key: string, policy: PolicyHead | undefined): void {
    const policies = namespace === undefined ? this.#cluster : this.#byNamespace.getOrInsertComputed(namespace, () => new Map<string, PolicyHead>())
    if (policy === undefined) policies.delete(key)
    else policies.set(key, policy)
    if (namespace !== undefined && policies.size === 0) this.#byNamespace.delete(namespace)
  }

  /** Policies of a pod; undefined while that cannot be told, for nobody knows its namespace. */
  of(identity: PodIdentity): readonly PolicyHead[] | undefined {
    const labels = this.#namespaces.get(identity.namespace)?.labels
    if (labels === undefined && this.#cluster.size > 0) return undefined
    return [this.#cluster, this.#byNamespace.get(identity.namespace)].flatMap((policies) => [...policies?.values() ?? []].filter(({ subject }) => isSubject(subject, identity, labels ?? {})))
  }

  /** Whether a policy is about a pod; yes while that cannot be told. */
  concerns({ subject }: PolicyHead, identity: PodIdentity): boolean {
    const labels = this.#namespaces.get(identity.namespace)?.labels
    return (labels === undefined && subject.namespace === undefined) || isSubject(subject, identity, labels ?? {})
  }
}
