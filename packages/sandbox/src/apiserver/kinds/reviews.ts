// Kinds that are questions: created, answered, not kept.
import type { Attributes } from '../authorization/attributes.ts'
import type { RbacAuthorizer } from '../authorization/rbac.ts'
import { asArray, asObject, asText, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import type { Credentials, User } from '../tls/credentials.ts'
import { defineKind } from './define.ts'

/** Questions about who may do what. */
export function reviewKinds(credentials: Credentials, authorizer: RbacAuthorizer): readonly Kind[] {
  const authorization = { group: 'authorization.k8s.io', version: 'v1', namespaced: false } as const
  const authentication = { group: 'authentication.k8s.io', version: 'v1', namespaced: false } as const
  const userInfo = (user: User): JsonObject => ({ username: user.name, groups: [...user.groups], ...(user.extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) }) })
  const judge = (review: KubeObject, user: User): JsonObject => ({ ...authorizer.decide(user, attributesIn(review)) })
  return [
    defineKind({ ...authorization, kind: 'SelfSubjectAccessReview', resource: 'selfsubjectaccessreviews', answer: judge }),
    defineKind({ ...authorization, kind: 'SubjectAccessReview', resource: 'subjectaccessreviews', answer: (review) => judge(review, subjectOf(review)) }),
    defineKind({
      ...authorization, kind: 'SelfSubjectRulesReview', resource: 'selfsubjectrulesreviews',
      answer: (review, user) => {
        const rules = authorizer.rulesOf(user, asText(asObject(review['spec'])?.['namespace']))
        return { incomplete: false, resourceRules: rules.filter((rule) => rule['nonResourceURLs'] === undefined), nonResourceRules: rules.filter((rule) => rule['nonResourceURLs'] !== undefined) }
      },
    }),
    defineKind({ ...authentication, kind: 'SelfSubjectReview', resource: 'selfsubjectreviews', answer: (_review, user) => ({ userInfo: userInfo(user) }) }),
    defineKind({
      ...authentication, kind: 'TokenReview', resource: 'tokenreviews',
      answer: (review: KubeObject) => {
        const user = credentials.userOf(asText(asObject(review['spec'])?.['token']) ?? '')
        return user === undefined ? { authenticated: false } : { authenticated: true, user: userInfo(user) }
      },
    }),
  ]
}

function attributesIn(review: KubeObject): Attributes {
  const spec = asObject(review['spec'])
  const path = asObject(spec?.['nonResourceAttributes'])
  if (path !== undefined) return { kind: 'path', verb: asText(path['verb']) ?? '', path: asText(path['path']) ?? '' }
  const of = asObject(spec?.['resourceAttributes'])
  const text = (field: string): string => asText(of?.[field]) ?? ''
  const optional = (field: string): string | undefined => (text(field) === '' ? undefined : text(field))
  return { kind: 'resource', verb: text('verb'), group: text('group'), resource: text('subresource') === '' ? text('resource') : `${text('resource')}/${text('subresource')}`, namespace: optional('namespace'), name: optional('name') }
}

function subjectOf(review: KubeObject): User {
  const spec = asObject(review['spec'])
  return { name: asText(spec?.['user']) ?? '', groups: asArray(spec?.['groups']).filter((group) => typeof group === 'string') }
}
