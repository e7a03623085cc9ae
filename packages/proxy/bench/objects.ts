// Clusters of any size: Services `bench/s0`, `bench/s1`, … with endpoints on other nodes.
import { type EndpointSlice, type Node, type Service, toEndpointSlice, toNode, toService } from '@weft/api'
import { formatIp, type Ipv4, ipFromBits } from '@weft/ip'
import { node, service, slice } from '../test/cluster.ts'

export const serviceIp = (service: number): Ipv4 => ipFromBits(4, 0x0a60_0000n + BigInt(service))
export const podIp = (pod: number): Ipv4 => ipFromBits(4, 0x0b00_0000n + BigInt(pod))

export const nodeObject = (): Node => toNode(node('here'))
export const serviceObject = (number: number): Service => toService(service(`bench/s${number}`, [formatIp(serviceIp(number))]))

/** @param firstPod Another pod in place of the Service's first one. */
export function sliceObject(number: number, endpoints: number, firstPod: number = number * endpoints): EndpointSlice {
  const pods = [firstPod, ...Array.from({ length: endpoints - 1 }, (_, index) => number * endpoints + index + 1)]
  return toEndpointSlice(slice(`bench/s${number}`, pods.map((pod) => formatIp(podIp(pod)))))
}
