import { describe, expect, test } from 'vitest'
import { clusterNetworkPolicyResource } from './cluster-network-policy.ts'
import { ipBlockResource, ipPoolResource } from './ip-pool.ts'

/** Words of OpenAPI that a structural schema may not have (apiextensions.k8s.io/v1). */
const forbidden = ['$ref', '$schema', 'definitions', 'dependencies', 'deprecated', 'discriminator', 'id', 'patternProperties', 'readOnly', 'writeOnly', 'xml', 'uniqueItems', 'const', 'exclusiveMinimum', 'exclusiveMaximum']

function* schemasIn(schema: Record<string, unknown>): Generator<Record<string, unknown>> {
  yield schema
  for (const inner of Object.values((schema['properties'] ?? {}) as Record<string, Record<string, unknown>>)) yield* schemasIn(inner)
  if (typeof schema['items'] === 'object') yield* schemasIn(schema['items'] as Record<string, unknown>)
}

for (const { kind, definition, apiVersion } of [ipPoolResource, ipBlockResource, clusterNetworkPolicyResource]) {
  describe(`customResource() ${kind}`, () => {
    const { names, versions } = definition['spec'] as { readonly names: Record<string, string>, readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Record<string, unknown> }, readonly additionalPrinterColumns: readonly { readonly jsonPath: string }[] }[] }
    const root = versions[0]!.schema.openAPIV3Schema

    test('A6 is a structural schema: every value has a type, nothing is forbidden', () => {
      for (const schema of schemasIn(root)) {
        expect(schema['type']).toBeTypeOf('string')
        expect(Object.keys(schema).filter((word) => forbidden.includes(word))).toEqual([])
        expect(Object.hasOwn(schema, 'properties') && Object.hasOwn(schema, 'additionalProperties')).toBe(false)
      }
    })

    test('A6 names are those the API server asks for, columns point at fields', () => {
      expect(definition['metadata']).toMatchObject({ name: `${names['plural']}.${apiVersion.split('/')[0]}` })
      const spec = (root['properties'] as Record<string, { readonly properties?: Record<string, unknown> }>)['spec']!
      for (const { jsonPath } of versions[0]!.additionalPrinterColumns) expect(Object.keys(spec.properties!)).toContain(jsonPath.replace('.spec.', ''))
    })
  })
}
