import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import type { Kind, ServiceModel, VirtualPort } from './model.ts'
import { VirtualPorts } from './virtual-ports.ts'

function port(ip: string, kind: Kind, number = 80): VirtualPort {
  return { service: '', ip: parseIp(ip), protocol: 'TCP', port: number, kind, backends: [], local: undefined, elsewhere: false, affinity: undefined, lingering: [], held: [], sources: undefined }
}

function model(key: string, ports: readonly VirtualPort[]): ServiceModel {
  return { key, vips: ports.filter(({ kind }) => kind === 'cluster').map(({ ip }) => ip), ports: ports.map((each) => ({ ...each, service: key })), localDns: [], drainSeconds: undefined, refusals: [] }
}

const added = (now: ServiceModel): { readonly old: undefined, readonly now: ServiceModel } => ({ old: undefined, now })

describe('VirtualPorts', () => {
  const owner = model('shop/web', [port('10.96.0.1', 'cluster')])
  const thief = model('aaa/thief', [port('10.96.0.1', 'external'), port('10.96.0.1', 'external', 81)])

  test('replace() CVE-2020-8554 a cluster IP belongs to its Service on all ports, whoever came first', () => {
    for (const order of [[owner, thief], [thief, owner]]) {
      const ports = new VirtualPorts()
      for (const one of order) ports.replace([added(one)])
      expect([...ports.served()]).toEqual(owner.ports)
      expect(ports.refused).toBe(2)
    }
  })

  test('replace() tells the loser once, hands the port over when the owner goes, and back', () => {
    const ports = new VirtualPorts()
    ports.replace([added(owner)])
    const lost = ports.replace([added(thief)])
    expect(lost.after).toEqual([])
    expect(lost.refused.map(({ key, error }) => `${key}: ${error.message}`)).toEqual([80, 81].map((number) =>
      `aaa/thief: Cannot serve Service "aaa/thief" on "10.96.0.1 TCP ${number}": Service "shop/web" has the address, wanted one that is free`))
    expect(ports.replace([{ old: thief, now: thief }]).refused).toEqual([])
    const gone = ports.replace([{ old: owner, now: undefined }])
    expect(gone.before).toEqual(owner.ports)
    expect(gone.after).toEqual(expect.arrayContaining([...thief.ports]))
    expect(gone.settled).toHaveLength(2)
    expect(ports.replace([added(owner)])).toMatchObject({ before: expect.arrayContaining([...thief.ports]) as unknown, after: owner.ports })
  })

  test('replace() a NodePort precedes an external address, then the name decides', () => {
    const claims = [model('a/external', [port('172.30.1.11', 'external')]), model('z/node', [port('172.30.1.11', 'node')]), model('b/external', [port('172.30.1.11', 'external')])]
    const ports = new VirtualPorts()
    ports.replace(claims.map(added))
    expect([...ports.served()]).toEqual(claims[1]!.ports)
    ports.replace([{ old: claims[1]!, now: undefined }])
    expect(ports.get(parseIp('172.30.1.11'), 'TCP', 80)).toBe(claims[0]!.ports[0])
  })

  test('replace() addresses of two families with equal bits are two', () => {
    const ports = new VirtualPorts()
    ports.replace([added(model('a/four', [port('10.96.0.1', 'cluster')])), added(model('b/six', [port('::a60:1', 'cluster')]))])
    expect([[...ports.served()].length, ports.refused]).toEqual([2, 0])
  })
})
