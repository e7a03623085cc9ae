// Kinds that are questions: created, answered, not kept.
import { asObject, asText, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import type { Credentials, User } from '../tls/credentials.ts'
import { defineKind } from './define.ts'

/** Questions about who may do what. Everyone who has a token may do everything here. @param credentials Knows the tokens. */
export function reviewKinds(credentials: Credentials): readonly Kind[] {
  const authorization = { group: 'authorization.k8s.io', version: 'v1', namespaced: false } as const
  const authentication = { group: 'authentication.k8s.io', version: 'v1', namespaced: false } as const
  const allowed = (): JsonObject => ({ allowed: true, reason: 'the sandbox does not enforce RBAC' })
  const userInfo = (user: User): JsonObject => ({ username: user.name, groups: [...user.groups] })
  return [
    defineKind({ ...authorization, kind: 'SelfSubjectAccessReview', resource: 'selfsubjectaccessreviews', answer: allowed }),
    defineKind({ ...authorization, kind: 'SubjectAccessReview', resource: 'subjectaccessreviews', answer: allowed }),
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
