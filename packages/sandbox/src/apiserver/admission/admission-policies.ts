// Read first: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
import { asArray, asObject, asText, objectsIn, wordOf, type Json, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import { ApiError, forbidden, type Cause } from '../status.ts'
import type { ObjectStore } from '../store.ts'
import type { User } from '../tls/credentials.ts'
import { invalidValue, required } from '../validation/field.ts'
import { type CelExpression, celValue, type CelValues, compileCel } from './cel.ts'

/** A write that is about to be done, after defaults and validation. */
export interface ReviewedWrite {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly kind: Kind
  readonly subresource?: string | undefined
  readonly namespace?: string | undefined
  readonly name: string
  readonly user: User
  readonly dryRun: boolean
  readonly object?: KubeObject | undefined
  readonly old?: KubeObject | undefined
}

interface Validation {
  readonly expression: CelExpression
  readonly text: string
  readonly message: string | undefined
  readonly messageExpression: CelExpression | undefined
  readonly reason: string | undefined
}

interface Policy {
  readonly rules: readonly JsonObject[]
  readonly conditions: readonly CelExpression[]
  readonly variables: readonly { readonly name: string, readonly expression: CelExpression }[]
  readonly validations: readonly Validation[]
  readonly ignoresFailure: boolean
}

const policyStorage = 'validatingadmissionpolicies.admissionregistration.k8s.io'
const bindingStorage = 'validatingadmissionpolicybindings.admissionregistration.k8s.io'
const httpCodes: Readonly<Record<string, number>> = { Unauthorized: 401, Forbidden: 403, RequestEntityTooLarge: 413, Invalid: 422 }

/** Parts of a policy or binding that are not carried out here, so an object that has one is refused rather than half obeyed. */
const unknownParts = ['paramKind', 'auditAnnotations', 'paramRef', 'matchResources'] as const
const unknownConstraints = ['namespaceSelector', 'objectSelector', 'excludeResourceRules'] as const

/** Carries out the ValidatingAdmissionPolicies of the store that a binding puts into force. */
export class AdmissionPolicies {
  readonly #store: ObjectStore
  /** By the object of the policy: a changed one is compiled anew. */
  readonly #compiled = new WeakMap<KubeObject, Policy>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** @throws {ApiError} When a policy in force refuses the write. */
  review(write: ReviewedWrite): void {
    for (const { object: binding } of this.#store.list(bindingStorage)) {
      const spec = asObject(binding['spec'])
      const name = asText(spec?.['policyName']) ?? ''
      const object = this.#store.get(policyStorage, name)?.object
      if (object === undefined || !asArray(spec?.['validationActions']).includes('Deny')) continue
      const policy = this.#policyOf(object)
      if (policy.rules.some((rule) => matches(rule, write))) applyPolicy(policy, write, `ValidatingAdmissionPolicy '${name}' with binding '${binding.metadata.name}' denied request: `)
    }
  }

  #policyOf(object: KubeObject): Policy {
    let policy = this.#compiled.get(object)
    if (policy === undefined) {
      policy = compilePolicy(object)
      this.#compiled.set(object, policy)
    }
    return policy
  }
}

/** Faults of a ValidatingAdmissionPolicy: also expressions that do not compile and parts that are not known here. */
export function validatePolicy(policy: KubeObject): Cause[] {
  const spec = asObject(policy['spec']) ?? {}
  const causes = unknownIn(spec)
  if (objectsIn(asObject(spec['matchConstraints'])?.['resourceRules']).length === 0) causes.push(required('spec.matchConstraints.resourceRules'))
  if (objectsIn(spec['validations']).length === 0) causes.push(required('spec.validations'))
  for (const [list, field, type] of [['matchConditions', 'expression', 'bool'], ['variables', 'expression', undefined], ['validations', 'expression', 'bool'], ['validations', 'messageExpression', 'string']] as const) {
    for (const [index, each] of objectsIn(spec[list]).entries()) {
      if (field === 'messageExpression' && each[field] === undefined) continue
      const text = asText(each[field]) ?? ''
      try {
        compileCel(text, type)
      } catch (error) {
        causes.push(invalidValue(`spec.${list}[${index}].${field}`, text, `compilation failed: ${(error as SyntaxError).message}`))
      }
    }
  }
  return causes
}

/** Faults of a ValidatingAdmissionPolicyBinding. */
export function validatePolicyBinding(binding: KubeObject): Cause[] {
  const spec = asObject(binding['spec']) ?? {}
  const causes = unknownIn(spec)
  if ((asText(spec['policyName']) ?? '') === '') causes.push(required('spec.policyName'))
  if (asArray(spec['validationActions']).length === 0) causes.push(required('spec.validationActions'))
  return causes
}

function unknownIn(spec: JsonObject): Cause[] {
  const unknown = unknownParts.filter((part) => spec[part] !== undefined).map((part) => [`spec.${part}`, spec[part]] as const)
  const constraints = asObject(spec['matchConstraints'])
  const selectors = unknownConstraints.filter((part) => !isEmpty(constraints?.[part])).map((part) => [`spec.matchConstraints.${part}`, constraints?.[part]] as const)
  return [...unknown, ...selectors].map(([field, value]) => invalidValue(field, value, 'the sandbox does not carry this out'))
}

function isEmpty(value: Json | undefined): boolean {
  return value === undefined || Object.keys(asObject(value) ?? asArray(value)).length === 0
}

function compilePolicy(object: KubeObject): Policy {
  const spec = asObject(object['spec']) ?? {}
  const expression = (each: JsonObject, type?: 'bool' | 'string'): CelExpression => compileCel(asText(each['expression']) ?? '', type)
  return {
    rules: objectsIn(asObject(spec['matchConstraints'])?.['resourceRules']),
    conditions: objectsIn(spec['matchConditions']).map((each) => expression(each, 'bool')),
    variables: objectsIn(spec['variables']).map((each) => ({ name: asText(each['name']) ?? '', expression: expression(each) })),
    validations: objectsIn(spec['validations']).map((each) => {
      const messageExpression = asText(each['messageExpression'])
      return { expression: expression(each, 'bool'), text: asText(each['expression']) ?? '', message: asText(each['message']), messageExpression: messageExpression === undefined ? undefined : compileCel(messageExpression, 'string'), reason: asText(each['reason']) }
    }),
    ignoresFailure: spec['failurePolicy'] === 'Ignore',
  }
}

function matches(rule: JsonObject, { operation, kind, subresource, name }: ReviewedWrite): boolean {
  const has = (field: string, ...values: readonly string[]): boolean => asArray(rule[field]).some((each) => each === '*' || values.includes(wordOf(each)))
  const resources = subresource === undefined ? [kind.resource] : [`${kind.resource}/${subresource}`, `${kind.resource}/*`, `*/${subresource}`]
  const isMeant = subresource === undefined ? has('resources', ...resources, '*/*') : asArray(rule['resources']).some((each) => resources.includes(wordOf(each)) || each === '*/*')
  const names = asArray(rule['resourceNames'])
  return isMeant && has('operations', operation) && has('apiGroups', kind.group) && has('apiVersions', kind.version) && (names.length === 0 || names.includes(name))
}

function applyPolicy(policy: Policy, write: ReviewedWrite, denied: string): void {
  const values = { ...valuesOf(write), variables: {} }
  const refuse = (message: string, reason = 'Invalid'): ApiError => {
    const { message: text, details } = forbidden(write.kind, write.name, denied + message)
    return new ApiError(httpCodes[reason] ?? 422, reason, text, { ...details, causes: [{ message: denied + message }] })
  }
  try {
    if (!policy.conditions.every((condition) => condition.evaluate(values) === true)) return
    for (const { name, expression } of policy.variables) defineLazily(values.variables, name, () => expression.evaluate(values))
    for (const { expression, text, message, messageExpression, reason } of policy.validations) {
      if (expression.evaluate(values) === true) continue
      const said = messageExpression?.evaluate(values)
      throw refuse(typeof said === 'string' ? said : message ?? `failed expression: ${text}`, reason)
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    // What cannot be evaluated is refused, unless the policy says otherwise.
    if (!policy.ignoresFailure) throw refuse(`expression resulted in error: ${(error as Error).message.split('\n', 1)[0]!}`)
  }
}

/** A variable is evaluated when it is named, once: one that nobody needs cannot fail. */
function defineLazily(variables: object, name: string, evaluate: () => unknown): void {
  let known: { readonly value: unknown } | undefined
  Object.defineProperty(variables, name, { enumerable: true, get: () => (known ??= { value: evaluate() }).value })
}

function valuesOf({ operation, kind, subresource, namespace, name, user, dryRun, object, old }: ReviewedWrite): Omit<CelValues, 'variables'> {
  const { group, version, resource } = kind
  const request = {
    operation, name, namespace: namespace ?? '', dryRun, subResource: subresource ?? '',
    kind: { group, version, kind: kind.kind }, resource: { group, version, resource },
    requestKind: { group, version, kind: kind.kind }, requestResource: { group, version, resource }, requestSubResource: subresource ?? '',
    userInfo: { username: user.name, groups: [...user.groups], ...(user.extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(user.extra).map(([key, each]) => [key, [...each]])) }) },
  }
  return { object: celValue(object), oldObject: celValue(old), request: celValue(request), namespaceObject: null }
}
