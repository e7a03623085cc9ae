import { parseCidr } from '@weft/ip'
import type { DnsConfig, PodMode } from './config.ts'
import { type DnsModel, serviceKey } from './model.ts'
import { type Name, nameBelow, parseName } from './wire/name.ts'
import { labelBytes, lowerName } from './zone/label.ts'
import { type AddressKey, addressKey, reverseZones } from './zone/reverse-name.ts'
import { compileService, type ServiceZone } from './zone/service-zone.ts'

/** What of the configuration decides answers. */
export interface ZoneOptions {
  readonly origin: Name
  readonly ttlSeconds: number
  readonly pods: PodMode
  /** Reverse zones this server has the last word in. */
  readonly reverseZones: readonly Name[]
  /** `namespace/name` of the Service whose addresses are those of `ns.dns.<origin>`. */
  readonly nameServer: string
}

/** The whole cluster zone as a value. Its text is `formatZone(zone)`. */
export interface Zone {
  readonly options: ZoneOptions
  readonly serial: number
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceZone>
  readonly namespaces: ReadonlySet<string>
  readonly pods: ReadonlyMap<string, ReadonlySet<AddressKey>>
  /** Services that could not be named, and why; the rest is in the zone. */
  readonly refused: ReadonlyMap<string, Error>
}

export function zoneOptions(config: Pick<DnsConfig, 'zone' | 'ttlSeconds' | 'pods' | 'reverseRanges' | 'service'>): ZoneOptions {
  const ranges = config.reverseRanges.flatMap((range) => reverseZones(parseCidr(range)))
  return {
    origin: lowerName(parseName(config.zone)),
    ttlSeconds: config.ttlSeconds,
    pods: config.pods,
    reverseZones: ranges,
    nameServer: config.service,
  }
}

/**
 * The zone of a cluster.
 *
 * Promises (DESIGN.md D1, D2): pure; equal models give equal zones whatever their order; a Service without a place in
 * a zone is refused alone.
 */
export function compile(model: DnsModel, options: ZoneOptions): Zone {
  const services = new Map<string, ServiceZone>()
  const refused = new Map<string, Error>()
  for (const service of model.services) {
    try {
      services.set(serviceKey(service), compileService(service, options.origin))
    } catch (error) {
      refused.set(serviceKey(service), error as Error)
    }
  }
  const pods = new Map<string, Set<AddressKey>>()
  for (const { address, namespace } of model.pods) {
    const known = pods.get(namespace)
    if (known === undefined) pods.set(namespace, new Set([addressKey(address)]))
    else known.add(addressKey(address))
  }
  return { options, serial: model.serial, services, namespaces: new Set(model.namespaces), pods, refused }
}

/** `ns.dns.<origin>`: the name server of the zone. */
export function nameServerName(origin: Name): Name {
  return nameBelow([labelBytes('ns'), labelBytes('dns')], origin)
}
