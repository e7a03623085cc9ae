import { skippable } from '@weft/daemon/testing'
import { formatIp, loopbackIfIndex } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { type LoggedPacket, packetLog } from './packet-log.ts'
import { TestNamespace, trackDescriptors, whyNoKernelTests, whyNoPrograms } from './testing/index.ts'

// The rules come from nft, which knows nothing of us.
const table = `table inet t {
	chain c {
		type filter hook output priority 0;
		udp dport 7 log group 8790 prefix "one"
		icmp type echo-request limit rate 2/hour burst 2 packets log group 8790 prefix "echo"
	}
}`

const missing = whyNoKernelTests() ?? whyNoPrograms('nft', 'ping')

describe.skipIf(missing !== undefined)(skippable('packetLog()', missing), () => {
  it('receives what rules log, with prefix and addresses, and ends with the signal', async () => {
    const leaks = await trackDescriptors()
    {
      await using ns = await TestNamespace.create()
      ns.exec('nft', ['-f', '-'], table)
      const stop = new AbortController()
      const packets = await packetLog({ group: 8790, netns: ns.path, signal: stop.signal })
      ns.route.setLink(loopbackIfIndex, { up: true })
      ns.exec('ping', ['-c', '3', '-i', '0.01', '127.0.0.1'])
      const seen: LoggedPacket[] = []
      for await (const packet of packets) {
        if (packet !== 'overrun') seen.push(packet)
        if (seen.length === 2) stop.abort()
      }
      expect(seen.map(({ prefix, oif, head }) => [prefix, oif, formatIp(head!.source), formatIp(head!.destination), head!.protocol])).toEqual([
        ['echo', 1, '127.0.0.1', '127.0.0.1', 1], ['echo', 1, '127.0.0.1', '127.0.0.1', 1],
      ])
    }
    expect(leaks()).toEqual([])
  })

  it('has a group to itself', async () => {
    await using ns = await TestNamespace.create()
    const stop = new AbortController()
    const first = await packetLog({ group: 8790, netns: ns.path, signal: stop.signal })
    await expect(packetLog({ group: 8790, netns: ns.path, signal: stop.signal })).rejects.toMatchObject({ code: 'EPERM' })
    stop.abort()
    for await (const packet of first) expect(packet).toBeUndefined()
  })
})
