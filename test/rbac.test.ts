import * as api from '@weft/api'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { filesOf, read } from '../scripts/workspace.ts'

/** Sources of each program that talks to the API server; a feature's own `main.ts` is another program. */
const programs: Readonly<Record<string, readonly string[]>> = {
  agent: [
    ...filesOf('packages/agent/src/**/*.ts'),
    ...filesOf('packages/{cni,ipam,overlay,proxy,policy}/src/**/*.ts').filter((file) => !/\/(main|pool-controller)\.ts$/.test(file)),
  ],
  controller: [...filesOf('packages/controller/src/**/*.ts'), 'packages/ipam/src/pool-controller.ts'],
  dns: filesOf('packages/dns/src/**/*.ts'),
  proxy: filesOf('packages/proxy/src/**/*.ts'),
  policy: filesOf('packages/policy/src/**/*.ts'),
}

interface Role {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules: readonly { readonly apiGroups: readonly string[], readonly resources: readonly string[], readonly verbs: readonly string[] }[]
}

const documents = parseAllDocuments(read('deploy/rbac.yaml')).map((document) => document.toJS() as Role & { readonly roleRef?: { readonly kind: string, readonly name: string }, readonly subjects?: readonly { readonly name: string }[] })

/** `group/resource verb`, for every right the roles of a program give. */
function granted(program: string): string[] {
  const roles = documents.filter(({ kind, metadata }) => (kind === 'ClusterRole' || kind === 'Role') && metadata.name === `weft-${program}`)
  const rights = roles.flatMap(({ rules }) => rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)))))
  return [...new Set(rights)].toSorted()
}

/** REST paths of `…Resource` values, those of packages/api and those a feature has for itself. */
const paths = new Map<string, string>([
  ...filesOf('packages/*/src/*.ts').flatMap((file) => [...read(file).matchAll(/export const (\w+Resource)\b[^=]*=[^=]*?path: '([^']+)'/g)].map((match): [string, string] => [match[1]!, match[2]!])),
  ...Object.entries(api).flatMap(([name, value]): [string, string][] => (name.endsWith('Resource') && typeof value === 'object' && 'path' in value ? [[name, value.path]] : [])),
])

function resourceOf(path: string): string {
  const parts = path.split('/').slice(1)
  return parts[0] === 'api' ? `/${parts[2]}` : `${parts[1]}/${parts[3]}`
}

function pathOf(resource: string): string {
  const path = paths.get(resource)
  if (path === undefined) throw new Error(`Cannot find path of resource "${resource}": not in packages/*/src`)
  return path
}

const onCollection: Readonly<Record<string, string>> = { GET: 'list', POST: 'create' }
const onObject: Readonly<Record<string, string>> = { GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** What the sources of a program ask of the API server. */
function used(program: string): string[] {
  const rights = programs[program]!.filter((file) => !/\.test\.ts$|\/testing\//.test(file)).flatMap((file) => {
    const text = read(file)
    return [
      ...[...text.matchAll(/\b(?:keep|reflect)\(\s*(?:\w+,\s*)?(?:\{ \.\.\.)?(\w+Resource)\b/g)].flatMap(([, resource]) => ['list', 'watch'].map((verb) => `${resourceOf(pathOf(resource!))} ${verb}`)),
      ...[...text.matchAll(/\brequest(?:<[^(]*>)?\(\s*'(\w+)',\s*(?:(`)\$\{)?(?:(\w+Resource)\.path|`(\/apis?\/[\w./]+)\/\$\{[^}]+\}(\/\w+)?)/g)].map(([, method, quote, resource, literal, subresource = '']) =>
        literal === undefined ? `${resourceOf(pathOf(resource!))} ${(quote === undefined ? onCollection : onObject)[method!]}` : `${resourceOf(literal)}${subresource} ${onObject[method!]}`),
      ...(text.includes('new EventRecorder') ? ['create', 'patch'].map((verb) => `/events ${verb}`) : []),
      ...(text.includes('new LeaderElector') ? ['get', 'create', 'update'].map((verb) => `coordination.k8s.io/leases ${verb}`) : []),
    ]
  })
  return [...new Set(rights)].toSorted()
}

describe('deploy/rbac.yaml', () => {
  for (const program of Object.keys(programs)) {
    test(`gives ${program} the rights its code uses, and no other`, () => {
      expect(granted(program)).toEqual(used(program))
    })

    test(`binds the roles of ${program} to its service account`, () => {
      const roles = documents.filter(({ kind, metadata }) => (kind === 'ClusterRole' || kind === 'Role') && metadata.name === `weft-${program}`)
      for (const role of roles) {
        const binding = documents.find(({ kind, roleRef }) => kind === `${role.kind}Binding` && roleRef?.kind === role.kind && roleRef.name === role.metadata.name)
        expect(binding?.subjects?.map(({ name }) => name)).toEqual([`weft-${program}`])
      }
    })
  }

  test('is complete: programs talk to the API server in the forms this test knows', () => {
    // Verbs of @weft/kube that the scan above does not read.
    const unknown = Object.values(programs).flat().filter((file) => !/\.test\.ts$|\/testing\//.test(file))
      .filter((file) => /\b(?:getObject|createObject|replaceObject|patchObject|applyObject|deleteObject|updateWithRetry|listObjects|listPages)\(/.test(read(file)))
    expect(unknown).toEqual([])
    const requests = Object.values(programs).flat().filter((file) => !/\.test\.ts$|\/testing\//.test(file)).flatMap((file) => [...read(file).matchAll(/\.request(?:<[^(]*>)?\(/g)])
    const understood = Object.values(programs).flat().filter((file) => !/\.test\.ts$|\/testing\//.test(file)).flatMap((file) => [...read(file).matchAll(/\brequest(?:<[^(]*>)?\(\s*'(\w+)',\s*(?:(`)\$\{)?(?:(\w+Resource)\.path|`(\/apis?\/[\w./]+)\/\$\{)/g)])
    expect(understood.length).toBe(requests.length)
  })
})
