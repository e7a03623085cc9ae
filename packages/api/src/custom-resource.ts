import { z } from 'zod'
import type { ObjectResource } from './object-resource.ts'

export const group = 'weft.dev'
export const version = 'v1alpha1'

export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly jsonPath: string
}

export interface CustomResource<T> extends ObjectResource<T> {
  /** The `CustomResourceDefinition` object that `deploy/crds` holds. */
  readonly definition: Readonly<Record<string, unknown>>
}

interface CustomResourceOptions<T> {
  /** Of somebody else's API, for clusters that do not have it. @default ours */
  readonly api?: { readonly group: string, readonly version: string, readonly approval: string, readonly shortNames: readonly string[] }
  readonly kind: string
  readonly plural: string
  readonly scope: 'Cluster' | 'Namespaced'
  readonly spec: z.ZodType
  readonly columns: readonly PrinterColumn[]
  readonly trim: (object: unknown) => T
}

/**
 * Makes a custom resource of one zod schema: the CRD's OpenAPI v3 schema is generated from it, so the API server
 * refuses what the code would refuse.
 */
export function customResource<T>({ api, kind, plural, scope, spec, columns, trim }: CustomResourceOptions<T>): CustomResource<T> {
  const own = api ?? { group, version }
  const { $schema: _, ...specSchema } = z.toJSONSchema(spec, { target: 'openapi-3.0' }) as Record<string, unknown>
  return {
    kind,
    name: plural,
    path: `/apis/${own.group}/${own.version}/${plural}`,
    apiVersion: `${own.group}/${own.version}`,
    trim,
    definition: {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      // Groups of Kubernetes are for what it has approved: without the annotation the API server refuses the definition.
      metadata: { name: `${plural}.${own.group}`, ...(api === undefined ? {} : { annotations: { 'api-approved.kubernetes.io': api.approval } }) },
      spec: {
        group: own.group,
        scope,
        names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List`, ...(api === undefined ? {} : { shortNames: api.shortNames }) },
        versions: [{
          name: own.version,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: withoutClosedObjects(specSchema),
              },
            },
          },
        }],
      },
    },
  }
}

/** Structural schemas prune unknown fields by themselves and may not say `additionalProperties: false` beside `properties`. */
function withoutClosedObjects(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutClosedObjects)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(Object.entries(schema)
    .filter(([key, value]) => !(key === 'additionalProperties' && value === false))
    .map(([key, value]) => [key, withoutClosedObjects(value)]))
}
