import { type Node, parseNodeName, toNode } from '@weft/api'
import { parseCidr } from '@weft/ip'
import { Store } from '@weft/kube'
import { storeOf } from '@weft/kube/testing'
import type { ServiceCidr } from '@weft/proxy'
import { describe, expect, test } from 'vitest'
import { OwnRanges } from './own-ranges.ts'

const node = (name: string, ip: string, ...podCIDRs: readonly string[]): Node =>
  toNode({ metadata: { name, uid: name, resourceVersion: '1' }, spec: { podCIDRs }, status: { addresses: [{ type: 'InternalIP', address: ip }] } })

const services = (...cidrs: readonly string[]): ServiceCidr => ({ namespace: '', name: cidrs.join(), uid: cidrs.join(), resourceVersion: '1', deleting: false, cidrs: cidrs.map(parseCidr) }) as unknown as ServiceCidr

function ranges(nodes: readonly Node[], { name = 'n1', serviceCidrs = storeOf([services('10.96.0.0/12')]), configured = [] as readonly string[] } = {}): OwnRanges {
  return new OwnRanges({ nodeName: parseNodeName(name), nodes: storeOf(nodes), blocks: undefined, serviceCidrs, configured: configured.map(parseCidr) })
}

const [n1, n2] = [node('n1', '192.0.2.1', '10.244.0.0/24'), node('n2', '192.0.2.2', '10.244.1.0/24')]

describe('OwnRanges', () => {
  test('ranges that are apart are no trouble', () => {
    expect(ranges([n1, n2]).trouble).toBeUndefined()
    expect(ranges([n1, n2], { serviceCidrs: storeOf<ServiceCidr>([]) }).trouble).toBeUndefined()
  })

  test('own pods in the range of Services are told, with both ranges and the remedy', () => {
    expect(ranges([node('n1', '192.0.2.1', '10.96.3.0/24'), n2]).trouble).toMatch(/^10\.96\.3\.0\/24 of pods on node "n1" overlaps 10\.96\.0\.0\/12 of Services; make the cluster with ranges that are apart: kubeadm/)
    expect(ranges([n1, n2], { configured: ['10.244.0.0/16'] }).trouble).toMatch(/^10\.244\.0\.0\/24 of pods on node "n1" overlaps 10\.244\.0\.0\/16 of Services/)
  })

  test('own pods around the address of the node are told', () => {
    expect(ranges([node('n1', '192.0.2.1', '192.0.2.0/24'), n2]).trouble).toMatch(/^192\.0\.2\.1 of node "n1" is in 192\.0\.2\.0\/24 of pods on node "n1"/)
  })

  test('P10 a node that is wrong says so itself, and keeps no other from its work', () => {
    const wrong = [n1, node('n2', '10.244.0.7', '10.244.1.0/24'), node('n3', '192.0.2.3', '10.244.0.0/24')]
    expect([ranges(wrong).trouble, ranges(wrong, { name: 'n2' }).trouble, ranges(wrong, { name: 'n3' }).trouble]).toEqual([
      undefined,
      expect.stringMatching(/^10\.244\.0\.7 of node "n2" is in 10\.244\.0\.0\/24 of pods on node/),
      expect.stringMatching(/^10\.244\.0\.0\/24 of pods on node "n3" overlaps 10\.244\.0\.0\/24 of pods on node "n1"/),
    ])
  })

  test('a range of Services that comes later is looked at', () => {
    const serviceCidrs = new Store<ServiceCidr>()
    expect(ranges([n1], { serviceCidrs }).trouble).toBe('the ranges of Services are not known yet')
    serviceCidrs.replace([])
    const own = ranges([n1], { serviceCidrs })
    expect(own.trouble).toBeUndefined()
    serviceCidrs.put(services('10.244.0.0/20'))
    expect(own.trouble).toContain('10.244.0.0/20 of Services')
    serviceCidrs.remove('10.244.0.0/20')
    expect(own.trouble).toBeUndefined()
  })
})
