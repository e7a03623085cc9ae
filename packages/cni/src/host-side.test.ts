import { parseIp, parseMac } from '@weft/ip'
import type { RouteSocket } from '@weft/netlink'
import { describe, expect, it } from 'vitest'
import { mendHostSide } from './host-side.ts'
import { formatData } from './model.ts'
import type { StoredAttachment } from './ports.ts'

function attachment(name: string, ip: string): StoredAttachment {
  return {
    containerId: name, ifname: 'eth0', namespace: '', name, uid: undefined, hostIfname: `weft${name}`, ips: [parseIp(ip)], state: 'attached', netns: '',
    data: formatData({ network: 'weft', podMac: parseMac('02:00:00:00:00:01'), portMappings: [], mtu: 1500, bridged: false }),
  }
}

describe('mendHostSide()', () => {
  it('mends the other links when the kernel refuses one, and tells which', () => {
    let calls = 0
    const route = {
      links: () => ['a', 'b', 'c'].map((name, index) => ({ name: `weft${name}`, index: index + 10, up: false })),
      routes: () => [],
      transact: () => {
        calls += 1
        return calls === 1 ? [{ error: new Error('EINVAL') }] : []
      },
    } as unknown as RouteSocket
    const { mended, errors } = mendHostSide(route, [attachment('a', '10.0.0.2'), attachment('b', '10.0.0.3'), attachment('c', '10.0.0.4')], { node: {}, shaping: true })
    expect(mended).toEqual(['weftb', 'weftc'])
    expect(errors.map(({ message }) => message)).toEqual(['Cannot mend link "wefta": EINVAL'])
  })
})
