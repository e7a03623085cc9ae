// Read first: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
import { asArray, asObject, asText, objectsIn, type Json, type JsonObject, type KubeObject } from '../json.ts'
import type { ObjectStore } from '../store.ts'
import type { User } from '../tls/credentials.ts'
import type { Attributes } from './attributes.ts'

/** Whether a request may go on. */
export interface Decision {
  readonly allowed: boolean
  /** Which binding allowed it, or what is wrong with the bindings of this user. */
  readonly reason: string
}

interface Grant {
  readonly rules: readonly JsonObject[]
  readonly reason: string
}

/** Members of this group may do everything, whatever the roles say. */
export const mastersGroup = 'system:masters'

/** Judges by the roles and bindings in the store, as they are at the moment of the request. */
export class RbacAuthorizer {
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  decide(user: User, attributes: Attributes): Decision {
    if (user.groups.includes(mastersGroup)) return { allowed: true, reason: `member of ${mastersGroup}` }
    const faults: string[] = []
    for (const { rules, reason } of this.#grants(user, attributes.kind === 'resource' ? attributes.namespace : undefined, faults)) {
      if (rules.some((rule) => covers(rule, attributes))) return { allowed: true, reason }
    }
    return { allowed: false, reason: faults.length === 0 ? '' : `RBAC: ${faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`}` }
  }

  /** Every rule that holds for a user in a namespace. */
  rulesOf(user: User, namespace: string | undefined): readonly JsonObject[] {
    if (user.groups.includes(mastersGroup)) return [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] }]
    return [...this.#grants(user, namespace, [])].flatMap(({ rules }) => rules)
  }

  *#grants(user: User, namespace: string | undefined, faults: string[]): Generator<Grant> {
    const bindings = [
      ...this.#store.list('clusterrolebindings.rbac.authorization.k8s.io'),
      ...(namespace === undefined ? [] : this.#store.list('rolebindings.rbac.authorization.k8s.io', namespace)),
    ]
    for (const { object } of bindings) {
      const subject = objectsIn(object['subjects']).find((each) => means(each, user, object.metadata.namespace))
      if (subject === undefined) continue
      const { kind = '', name = '' } = namesOf(object['roleRef'])
      const role = kind === 'Role' ? this.#store.get('roles.rbac.authorization.k8s.io', `${object.metadata.namespace}/${name}`) : this.#store.get('clusterroles.rbac.authorization.k8s.io', name)
      if (role === undefined) faults.push(`${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`)
      else yield { rules: objectsIn(role.object['rules']), reason: reasonOf(object, { kind, name }, subject) }
    }
  }
}

function reasonOf(binding: KubeObject, role: { readonly kind: string, readonly name: string }, subject: JsonObject): string {
  const { name, namespace } = binding.metadata
  const who = namesOf(subject)
  return `RBAC: allowed by ${binding.kind} ${JSON.stringify(namespace === undefined ? name : `${name}/${namespace}`)} of ${role.kind} ${JSON.stringify(role.name)} to ${who.kind} ${JSON.stringify(who.kind === 'ServiceAccount' ? `${who.name}/${asText(subject['namespace']) ?? namespace ?? ''}` : who.name)}`
}

function namesOf(reference: Json | undefined): { readonly kind?: string | undefined, readonly name?: string | undefined } {
  const object = asObject(reference)
  return { kind: asText(object?.['kind']), name: asText(object?.['name']) }
}

function means(subject: JsonObject, user: User, bindingNamespace: string | undefined): boolean {
  const name = asText(subject['name']) ?? ''
  switch (asText(subject['kind'])) {
    case 'User': return user.name === name
    case 'Group': return user.groups.includes(name)
    case 'ServiceAccount': return user.name === `system:serviceaccount:${asText(subject['namespace']) ?? bindingNamespace ?? ''}:${name}`
    default: return false
  }
}

function covers(rule: JsonObject, attributes: Attributes): boolean {
  const has = (field: string, value: string): boolean => asArray(rule[field]).some((each) => each === '*' || each === value)
  if (!has('verbs', attributes.verb)) return false
  if (attributes.kind === 'path') return asArray(rule['nonResourceURLs']).some((each) => each === '*' || each === attributes.path || (typeof each === 'string' && each.endsWith('*') && attributes.path.startsWith(each.slice(0, -1))))
  const { group, resource, name } = attributes
  const subresource = resource.split('/')[1]
  if (!has('apiGroups', group) || !(has('resources', resource) || (subresource !== undefined && asArray(rule['resources']).includes(`*/${subresource}`)))) return false
  const names = asArray(rule['resourceNames'])
  return names.length === 0 || (name !== undefined && names.includes(name))
}
