import { skippable } from '@weft/daemon/testing'
import { formatIp, parseIp } from '@weft/ip'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Conntrack } from './conntrack.ts'
import { NetlinkSocket } from './socket.ts'
import { flowSaid } from './testing/as-programs-say.ts'
import { addFlow } from './testing/flow.ts'
import { TestNamespace, hasPrograms, whyNoKernelTests } from './testing/index.ts'

const UDP = 17
const TCP = 6

const ESTABLISHED = 3
const SEEN_REPLY = 2
const ASSURED = 4

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('Conntrack', missing), () => {
  let ns: TestNamespace
  let conntrack: Conntrack

  beforeEach(async () => {
    ns = await TestNamespace.create()
    conntrack = await Conntrack.open({ netns: ns.path })
    using socket = await NetlinkSocket.open('netfilter', { netns: ns.path })
    const client = { source: parseIp('10.1.0.9'), sourcePort: 40_001, destinationPort: 53, timeoutSeconds: 300 }
    const dns = parseIp('10.96.0.10')
    for (let port = 40_001; port <= 40_005; port++) addFlow(socket, { ...client, protocol: UDP, destination: dns, sourcePort: port, natTo: parseIp('10.244.0.7'), mark: 5 })
    addFlow(socket, { ...client, protocol: UDP, destination: parseIp('10.96.0.11') })
    addFlow(socket, { ...client, protocol: TCP, destination: dns, tcpState: ESTABLISHED, status: SEEN_REPLY | ASSURED })
    addFlow(socket, { ...client, protocol: UDP, source: parseIp('fd00::9'), destination: parseIp('fd00::a') })
  })

  afterEach(async () => {
    conntrack[Symbol.dispose]()
    await ns[Symbol.asyncDispose]()
  })

  it('entries() reads both tuples, NAT, mark, state; count() agrees', () => {
    expect(conntrack.count()).toBe(8)
    expect(conntrack.entries()).toHaveLength(8)
    if (hasPrograms('conntrack')) {
      const shown = ns.exec('conntrack', ['-L', '-o', 'extended,id']).trim().split('\n').map(flowSaid)
      // A second may pass between the two looks.
      expect(conntrack.entries()).toMatchObject(shown.map(({ timeoutSeconds, ...flow }) => ({ ...flow, timeoutSeconds: expect.closeTo(timeoutSeconds, -0.5) as number })))
    }
    const [dns] = conntrack.entries({ family: 4, protocol: UDP, origSport: 40_001, origDst: parseIp('10.96.0.10') })
    expect(dns).toMatchObject({ family: 4, protocol: UDP, destinationNat: true, sourceNat: false, mark: 5, zone: 0, tcpState: undefined })
    expect(formatIp(dns!.reply.source)).toBe('10.244.0.7')
    expect(dns!.original).toMatchObject({ sourcePort: 40_001, destinationPort: 53 })
    expect(dns!.timeoutSeconds).toBeGreaterThan(200)
    expect(conntrack.entries({ protocol: TCP })).toMatchObject([{ tcpState: 3, seenReply: true, assured: true }])
  })

  it.each([
    ['protocol', { protocol: UDP }, 7],
    ['family', { family: 6 }, 1],
    ['original destination', { origDst: parseIp('10.96.0.10') }, 6],
    ['protocol, original destination and port', { protocol: UDP, origDst: parseIp('10.96.0.10'), origDport: 53 }, 5],
    ['a port without its protocol', { origSport: 40_001 }, 4],
    ['reply source', { replySrc: parseIp('10.244.0.7') }, 5],
    ['reply source and port', { protocol: UDP, replySrc: parseIp('10.244.0.7'), replySport: 53 }, 5],
    ['IPv6 destination', { origDst: parseIp('fd00::a') }, 1],
    ['mark', { mark: 5 }, 5],
    ['masked mark', { mark: 1, markMask: 1 }, 5],
    ['original and reply', { origSrc: parseIp('10.1.0.9'), replySrc: parseIp('10.96.0.11') }, 1],
    ['nothing', { origDst: parseIp('10.96.0.99') }, 0],
  ] as const)('deleteWhere() by %s deletes those and no other', (_name, filter, count) => {
    expect(conntrack.entries(filter)).toHaveLength(count)
    expect(conntrack.deleteWhere(filter)).toBe(count)
    expect(conntrack.count()).toBe(8 - count)
    expect(conntrack.entries(filter)).toEqual([])
  })

  it('deleteMatching() deletes by a condition', () => {
    expect(conntrack.deleteMatching({ protocol: UDP }, ({ original }) => original.sourcePort! > 40_003)).toBe(2)
    expect(conntrack.count()).toBe(6)
  })

  it('remarkMatching() replaces the bits under the mask, of those flows and no other', () => {
    const isOdd = ({ original }: { readonly original: { readonly sourcePort: number | undefined } }): boolean => original.sourcePort! % 2 === 1
    expect(conntrack.remarkMatching({ mark: 4, markMask: 4 }, isOdd, { mark: 0x2000, mask: 0x3004 })).toBe(3)
    expect(conntrack.entries().map(({ mark }) => mark).sort((a, b) => a - b)).toEqual([0, 0, 0, 5, 5, 0x2001, 0x2001, 0x2001])
    expect(conntrack.remarkMatching({ mark: 0x1000, markMask: 0x1000 }, () => true, { mark: 0, mask: 0x1000 })).toBe(0)
  })

  it('flush() empties one family, or all', () => {
    conntrack.flush({ family: 6 })
    expect(conntrack.count()).toBe(7)
    conntrack.flush()
    expect(conntrack.count()).toBe(0)
  })
})
