import { defaultDefinition, validateDefinition } from '../crd/definition.ts'
import type { Kind } from '../kind.ts'
import { defineKind } from './define.ts'

/** CustomResourceDefinition. @param now The wall clock, for the times of its conditions. */
export function definitionKind(now: () => Date): Kind {
  return defineKind({
    group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition', resource: 'customresourcedefinitions',
    shortNames: ['crd', 'crds'], namespaced: false, categories: ['api-extensions'], subresources: ['status'],
    applyDefaults: (object, old) => defaultDefinition(object, old, now()), validate: validateDefinition,
  })
}
