import type { Container, EnvVar, PodObject } from './pod-object.ts'

/** What environment variables and downward files can refer to. */
export interface EnvironmentSources {
  readonly pod: PodObject
  readonly podIps: readonly string[]
  readonly hostIps: readonly string[]
  /** Address of the `kubernetes` Service. */
  readonly apiService: string
  /** Data of a ConfigMap or Secret; undefined when it does not exist. */
  data(kind: 'configmaps' | 'secrets', name: string): Readonly<Record<string, string>> | undefined
}

/** A reference to something that does not exist; the container waits with this reason. */
export class MissingReference extends Error {
  override readonly name = 'CreateContainerConfigError'
}

/**
 * The environment of a container: the API server's address, envFrom, env; later ones win and may use earlier ones.
 *
 * @throws {MissingReference} For a key, ConfigMap or Secret that does not exist and is not optional.
 */
export function containerEnvironment(container: Container, sources: EnvironmentSources): Record<string, string> {
  const environment: Record<string, string> = { PATH: containerPath, HOME: '/root', HOSTNAME: '', ...apiServerVariables(sources.apiService) }
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    for (const [kind, reference] of [['configmaps', configMapRef], ['secrets', secretRef]] as const) {
      if (reference === undefined) continue
      const data = sources.data(kind, reference.name)
      if (data === undefined && reference.optional !== true) throw new MissingReference(`${kind} "${reference.name}" not found`)
      for (const [key, value] of Object.entries(data ?? {})) environment[prefix + key] = value
    }
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom === undefined ? expand(variable.value ?? '', environment) : valueFrom(variable, container, sources)
    if (value !== undefined) environment[variable.name] = value
  }
  return environment
}

const containerPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/.weft/bin'

/** `$(NAME)` in commands, arguments and values; `$$(NAME)` is literal, unknown names stay. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) => {
    if (match === '$$') return '$'
    return environment[name!] ?? match
  })
}

/** A downward API field; undefined for one that is not supported. */
export function downwardField(fieldPath: string, { pod, podIps, hostIps }: Pick<EnvironmentSources, 'pod' | 'podIps' | 'hostIps'>): string | undefined {
  const { metadata, spec } = pod
  const subscript = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath)
  if (subscript !== null) return (subscript[1] === 'labels' ? metadata.labels : metadata.annotations)?.[subscript[2]!] ?? ''
  switch (fieldPath) {
    case 'metadata.name': return metadata.name
    case 'metadata.namespace': return metadata.namespace
    case 'metadata.uid': return metadata.uid
    case 'metadata.labels': return formatMap(metadata.labels)
    case 'metadata.annotations': return formatMap(metadata.annotations)
    case 'spec.nodeName': return spec.nodeName ?? ''
    case 'spec.serviceAccountName': return spec.serviceAccountName ?? 'default'
    case 'status.podIP': return podIps[0] ?? ''
    case 'status.podIPs': return podIps.join(',')
    case 'status.hostIP': return hostIps[0] ?? ''
    case 'status.hostIPs': return hostIps.join(',')
    default: return undefined
  }
}

function valueFrom({ name, valueFrom }: EnvVar, container: Container, sources: EnvironmentSources): string | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom!
  if (fieldRef !== undefined) {
    const value = downwardField(fieldRef.fieldPath, sources)
    if (value === undefined) throw new MissingReference(`env "${name}": field "${fieldRef.fieldPath}" is not supported`)
    return value
  }
  if (resourceFieldRef !== undefined) {
    const [list, resource = ''] = resourceFieldRef.resource.split('.')
    return (list === 'limits' ? container.resources?.limits : container.resources?.requests)?.[resource] ?? '0'
  }
  for (const [kind, reference] of [['configmaps', configMapKeyRef], ['secrets', secretKeyRef]] as const) {
    if (reference === undefined) continue
    const value = sources.data(kind, reference.name)?.[reference.key]
    if (value === undefined && reference.optional !== true) throw new MissingReference(`env "${name}": key "${reference.key}" of ${kind} "${reference.name}" not found`)
    return value
  }
  return ''
}

function apiServerVariables(host: string): Record<string, string> {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return {
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: `tcp://${bracketed}:443`,
    KUBERNETES_PORT_443_TCP: `tcp://${bracketed}:443`,
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: host,
  }
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join('\n')
}
