// Read first: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
import { asText, type JsonObject } from './json.ts'
import { apiVersionOf, type Kind } from './kind.ts'
import type { KindRegistry } from './registry.ts'

/** What `/version` answers. */
export const versionInfo: JsonObject = {
  major: '1', minor: '36', gitVersion: 'v1.36.0+weft-sandbox', gitCommit: '', gitTreeState: 'clean', buildDate: '2026-04-22T00:00:00Z', goVersion: 'none', compiler: 'none', platform: 'linux/amd64',
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

function verbsOf(kind: Kind): string[] {
  return kind.answer === undefined ? VERBS : ['create']
}

/**
 * The discovery document at a path, in its plain form.
 *
 * @returns undefined when no discovery document lives there.
 */
export function discoveryAt(registry: KindRegistry, path: string): JsonObject | undefined {
  const parts = path.split('/').filter(part => part !== '')
  if (path === '/') return { paths: ['/api', '/api/v1', '/apis', ...groupsOf(registry).flatMap(([name, versions]) => [`/apis/${name}`, ...versions.map(version => `/apis/${name}/${version}`)]), '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'] }
  if (parts[0] === 'api') {
    if (parts.length === 1) return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
    return parts.length === 2 && parts[1] === 'v1' ? resourceList(registry, '', 'v1') : undefined
  }
  if (parts[0] !== 'apis' || parts.length > 3) return undefined
  const [, group, version] = parts
  if (group === undefined) return { kind: 'APIGroupList', apiVersion: 'v1', groups: groupsOf(registry).map(([name, versions]) => groupDocument(name, versions)) }
  const versions = registry.groups().get(group)
  if (versions === undefined || group === '') return undefined
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(group, versions) }
  return versions.includes(version) ? resourceList(registry, group, version) : undefined
}

function groupsOf(registry: KindRegistry): [string, readonly string[]][] {
  return [...registry.groups()].filter(([name]) => name !== '')
}

function groupDocument(name: string, versions: readonly string[]): JsonObject {
  const all = versions.map(version => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions: all, preferredVersion: all[0]! }
}

function resourceList(registry: KindRegistry, group: string, version: string): JsonObject {
  const kinds = registry.all().filter(kind => kind.group === group && kind.version === version)
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf({ group, version }), resources: kinds.flatMap(resourcesOf) }
}

function resourcesOf(kind: Kind): JsonObject[] {
  const { resource, namespaced } = kind
  const main: JsonObject = {
    name: resource, singularName: kind.singular, namespaced, kind: kind.kind, verbs: verbsOf(kind),
    ...(kind.shortNames === undefined ? {} : { shortNames: [...kind.shortNames] }),
    ...(kind.categories === undefined ? {} : { categories: [...kind.categories] }),
  }
  return [main, ...[...kind.subresources].map(name => ({ name: `${resource}/${name}`, singularName: '', namespaced, ...subresourceType(kind, name) }))]
}

function subresourceType(kind: Kind, name: string): JsonObject {
  switch (name) {
    case 'scale': return { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] }
    case 'eviction': return { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] }
    case 'binding': return { kind: 'Binding', verbs: ['create'] }
    case 'token': return { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] }
    case 'exec': return { kind: 'PodExecOptions', verbs: ['create', 'get'] }
    case 'log': return { kind: kind.kind, verbs: ['get'] }
    case 'finalize': return { kind: kind.kind, verbs: ['update'] }
    default: return { kind: kind.kind, verbs: ['get', 'patch', 'update'] }
  }
}

/** Aggregated discovery (apidiscovery.k8s.io/v2) of `/api` or `/apis`: everything in one answer. */
export function aggregatedDiscovery(registry: KindRegistry, path: '/api' | '/apis'): JsonObject {
  const groups = path === '/api' ? [['', ['v1']] as const] : groupsOf(registry)
  return {
    kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {},
    items: groups.map(([name, versions]) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(version => ({ version, freshness: 'Current', resources: registry.all().filter(kind => kind.group === name && kind.version === version).map(aggregatedResource) })),
    })),
  }
}

function aggregatedResource(kind: Kind): JsonObject {
  const responseKind = (group: string, version: string, name: string): JsonObject => ({ group, version, kind: name })
  return {
    resource: kind.resource, responseKind: responseKind(kind.group, kind.version, kind.kind), scope: kind.namespaced ? 'Namespaced' : 'Cluster', singularResource: kind.singular, verbs: verbsOf(kind),
    ...(kind.shortNames === undefined ? {} : { shortNames: [...kind.shortNames] }),
    ...(kind.categories === undefined ? {} : { categories: [...kind.categories] }),
    subresources: [...kind.subresources].map(name => {
      const type = subresourceType(kind, name)
      return { subresource: name, responseKind: responseKind(asText(type['group']) ?? kind.group, asText(type['version']) ?? kind.version, asText(type['kind']) ?? kind.kind), verbs: type['verbs']! }
    }),
  }
}
