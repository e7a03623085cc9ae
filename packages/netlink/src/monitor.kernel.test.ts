import { skippable } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { decodeInterfaceAddress } from './address.ts'
import { decodeLink } from './link.ts'
import type { NetlinkMessage } from './message.ts'
import { follow, monitor } from './monitor.ts'
import * as k from './kernel-constants.gen.ts'
import { NetlinkSocket } from './socket.ts'
import { TestNamespace, whyNoKernelTests, trackDescriptors } from './testing/index.ts'

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('monitor()', missing), () => {
  it('tells of links and addresses from the moment it resolves, and ends with the signal', async () => {
    const leaks = await trackDescriptors()
    {
      await using ns = await TestNamespace.create()
      const stop = new AbortController()
      const events = await monitor({ groups: ['link', 'address4'], netns: ns.path, signal: stop.signal })
      const { index } = ns.route.addLink({ kind: 'bridge', name: 'br0' })
      ns.route.addAddress({ ifIndex: index, address: parseIp('10.0.0.1'), prefix: 24 })
      const seen: string[] = []
      for await (const event of events) {
        const { type } = assertMessage(event)
        seen.push(type === 16 ? decodeLink(assertMessage(event)).name : `address on ${decodeInterfaceAddress(assertMessage(event))!.ifIndex}`)
        if (type === 20) stop.abort()
      }
      expect(seen).toEqual(['br0', `address on ${index}`])
    }
    expect(leaks()).toEqual([])
  })

  it('says overrun when messages were lost, and goes on', async () => {
    await using ns = await TestNamespace.create()
    const stop = new AbortController()
    const events = await monitor({ groups: ['link'], netns: ns.path, signal: stop.signal })
    const { index } = ns.route.addLink({ kind: 'bridge', name: 'br0' })
    // The main thread is busy, so nobody reads while the receive buffer fills.
    for (let n = 0; n < 6000; n++) ns.route.setLink(index, { up: n % 2 === 0 })
    let overruns = 0
    for await (const event of events) {
      if (event === 'overrun') {
        overruns++
        // What happens after the overrun was told is told again.
        ns.route.setLink(index, { mtu: 1400 })
      } else if (decodeLink(event).mtu === 1400) stop.abort()
    }
    expect(overruns).toBe(1)
  })

  it('takes events that cannot be read for lost ones, and goes on', async () => {
    await using ns = await TestNamespace.create()
    const stop = new AbortController()
    const socket = await NetlinkSocket.open('route', { netns: ns.path })
    socket.join(k.RTNLGRP_LINK)
    const { index } = ns.route.addLink({ kind: 'bridge', name: 'br0' })
    let received = 0
    const events = follow({
      fd: socket.fd,
      recvRaw() {
        const bytes = socket.recvRaw()
        // The first datagram is cut in its second message, or in its only one.
        return bytes instanceof Uint8Array && received++ === 0 ? bytes.subarray(0, -1) : bytes
      },
      [Symbol.dispose]: () => socket[Symbol.dispose](),
    }, stop.signal)
    const seen: (string | number)[] = []
    for await (const event of events) {
      seen.push(event === 'overrun' ? event : decodeLink(event).mtu)
      if (event === 'overrun') ns.route.setLink(index, { mtu: 1400 })
      else stop.abort()
    }
    expect(seen).toEqual(['overrun', 1400])
  })

  it('ends at once when the signal was aborted before', async () => {
    await using ns = await TestNamespace.create()
    for await (const event of await monitor({ groups: ['link'], netns: ns.path, signal: AbortSignal.abort() })) expect(event).toBeUndefined()
  })
})

function assertMessage(event: NetlinkMessage | 'overrun'): NetlinkMessage {
  if (event === 'overrun') throw new Error('overrun')
  return event
}
