import { getObject, isNotFound, type KubeConnection } from '@weft/kube'
import { apiServerPlaceholder, type KubeObject, type Values, valuesSchema } from '@weft/manifests'
import type { ClusterFacts } from './cluster/facts.ts'
import { InstallError } from './errors.ts'

/** Values as somebody gives them: some of those of the chart, to any depth. */
export type GivenValues = Readonly<Record<string, unknown>>

const configMapPath = '/api/v1/namespaces/kube-system/configmaps/weft'
/** What was given to the installation, without what was found out: an upgrade keeps the one and finds out the other again. */
const annotation = 'weft.dev/values'

/** Values for a cluster as it is; what somebody asked for stands over that, key by key. */
export function valuesFor(facts: ClusterFacts, given: GivenValues): Values {
  return valuesSchema.parse(mergeValues({
    ...(facts.apiServers.length === 0 ? {} : { apiServers: facts.apiServers }),
    dns: { addresses: facts.dns.addresses, zone: facts.dns.zone },
    controller: { replicas: Math.max(1, Math.min(2, facts.nodes.length)) },
    config: {
      agent: { proxy: { serviceCidrs: facts.serviceCidrs } },
      dns: { dns: { reverseRanges: facts.serviceCidrs } },
    },
  }, given))
}

/** Whether anybody knows where the API server is. */
export function knowsApiServers({ apiServers }: Values): boolean {
  return !apiServers.includes(apiServerPlaceholder)
}

/** Objects are merged, anything else is replaced, and null takes a value away. */
export function mergeValues(base: GivenValues, over: GivenValues): GivenValues {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key]
    else merged[key] = isTree(value) ? mergeValues(isTree(merged[key]) ? merged[key] : {}, value) : value
  }
  return merged
}

/** `repository:tag` as values; a colon before the last slash is that of a port. Nothing is no value. */
export function imageValues(image: string | undefined): GivenValues {
  if (image === undefined) return {}
  const colon = image.lastIndexOf(':')
  return { image: colon > image.lastIndexOf('/') ? { repository: image.slice(0, colon), tag: image.slice(colon + 1) } : { repository: image } }
}

/** The objects with what was given, for the next upgrade. */
export function withRecord(objects: readonly KubeObject[], given: GivenValues): readonly KubeObject[] {
  return objects.map((object) => (object.kind === 'ConfigMap' && object.metadata.name === 'weft' ? { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [annotation]: JSON.stringify(given) } } } : object))
}

/**
 * What was given to the installation that is there.
 *
 * @throws {InstallError} `ERR_INSTALL_UPGRADE` when none is, or somebody else made it: whoever did knows its values.
 */
export async function installedValues(kube: KubeConnection): Promise<GivenValues> {
  const map = await getObject<{ readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } }>(kube, configMapPath).catch((error: unknown) => {
    if (isNotFound(error)) throw new InstallError('ERR_INSTALL_UPGRADE', 'Cannot upgrade network: Weft is not installed here; `weft install` does that')
    throw error
  })
  const text = map.metadata.annotations?.[annotation]
  if (text === undefined) throw new InstallError('ERR_INSTALL_UPGRADE', 'Cannot upgrade installation: `weft install` did not make this installation, and its values are not known here; upgrade it as it was installed (`helm upgrade`, `kubectl apply`)')
  return JSON.parse(text) as GivenValues
}

function isTree(value: unknown): value is GivenValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
