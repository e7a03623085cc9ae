import { type ObjectMeta, type ObjectResource, openObject } from '@weft/api'
import type { Cidr } from '@weft/ip'

/** A range that cluster IPs are taken from (networking.k8s.io/v1, Kubernetes 1.33). */
export interface ServiceCidr extends ObjectMeta {
  /** One per family at most. */
  readonly cidrs: readonly Cidr[]
}

/** @throws {InvalidObjectError} Naming the object and the field. */
export function toServiceCidr(object: unknown): ServiceCidr {
  const { root, meta } = openObject('ServiceCIDR', object)
  return { ...meta, cidrs: root.get('spec').get('cidrs').list().map((entry) => entry.cidr()) }
}

/** What a reflector needs to keep a store of them. Kubernetes has them since 1.33. */
export const serviceCidrResource: ObjectResource<ServiceCidr> = { kind: 'ServiceCIDR', apiVersion: 'networking.k8s.io/v1', optional: true, name: 'servicecidrs', path: '/apis/networking.k8s.io/v1/servicecidrs', trim: toServiceCidr }
