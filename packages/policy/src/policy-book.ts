import { compareCompiled, type CompiledPolicy, isSubject } from './compile.ts'
import type { PodIdentity, PolicyNamespace } from './model.ts'

/** The policies in force, those of namespaces by namespace: a pod is looked at by its own and by those of the cluster. */
export class PolicyBook {
  readonly #namespaces: ReadonlyMap<string, PolicyNamespace>
  readonly #byNamespace = new Map<string, Map<string, CompiledPolicy>>()
  readonly #cluster = new Map<string, CompiledPolicy>()

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
  get(namespace: string | undefined, key: string): CompiledPolicy | undefined {
    return (namespace === undefined ? this.#cluster : this.#byNamespace.get(namespace))?.get(key)
  }

  set(namespace: string | undefined, key: string, policy: CompiledPolicy | undefined): void {
    const policies = namespace === undefined ? this.#cluster : this.#byNamespace.getOrInsertComputed(namespace, () => new Map<string, CompiledPolicy>())
    if (policy === undefined) policies.delete(key)
    else policies.set(key, policy)
    if (namespace !== undefined && policies.size === 0) this.#byNamespace.delete(namespace)
  }

  values(): readonly CompiledPolicy[] {
    return [...this.#cluster.values(), ...this.#byNamespace.values().flatMap((policies) => policies.values())]
  }

  /** Policies of a pod, in their order; undefined while that cannot be told, for nobody knows its namespace. */
  of(identity: PodIdentity): readonly CompiledPolicy[] | undefined {
    const labels = this.#namespaces.get(identity.namespace)?.labels
    if (labels === undefined && this.#cluster.size > 0) return undefined
    const candidates = [...this.#cluster.values(), ...this.#byNamespace.get(identity.namespace)?.values() ?? []]
    return candidates.filter(({ subject }) => isSubject(subject, identity, labels ?? {})).sort(compareCompiled)
  }

  /** Whether a policy is about a pod; yes while that cannot be told. */
  concerns({ subject }: CompiledPolicy, identity: PodIdentity): boolean {
    const labels = this.#namespaces.get(identity.namespace)?.labels
    return (labels === undefined && subject.namespace === undefined) || isSubject(subject, identity, labels ?? {})
  }
}
