import { skippable } from '@weft/daemon/testing'
import { formatCidr, formatIp, parseCidr, parseIp } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { monitor } from './monitor.ts'
import { decodeRouteEvent } from './route-event.ts'
import { TestNamespace, whyNoKernelTests } from './testing/index.ts'

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('decodeRouteEvent()', missing), () => {
  it('reads links, addresses, routes and rules as they come and go', async () => {
    await using ns = await TestNamespace.create()
    const stop = new AbortController()
    const events = await monitor({ groups: ['link', 'neighbour', 'address4', 'route4', 'rule4'], netns: ns.path, signal: stop.signal })
    const { index } = ns.route.addLink({ kind: 'bridge', name: 'd0', up: true })
    ns.route.addAddress({ ifIndex: index, address: parseIp('10.0.0.1'), prefix: 32 })
    ns.route.addRoute({ destination: parseCidr('10.1.0.0/16'), ifIndex: index, protocol: 99 })
    ns.route.addRule({ family: 4, priority: 77, table: 99 })
    ns.route.deleteRule({ family: 4, priority: 77, table: 99 })
    ns.route.deleteRoute({ destination: parseCidr('10.1.0.0/16') })
    ns.route.deleteLink(index)
    const seen: string[] = []
    for await (const message of events) {
      const event = message === 'overrun' ? undefined : decodeRouteEvent(message)
      if (event === undefined) continue
      const sign = event.gone ? '-' : '+'
      if (event.kind === 'link' && event.gone) stop.abort()
      if (event.kind === 'address') seen.push(`${sign} address ${formatIp(event.address.address)}`)
      if (event.kind === 'route' && event.route.protocol === 99) seen.push(`${sign} route ${formatCidr(event.route.destination)}`)
      if (event.kind === 'rule') seen.push(`${sign} rule ${event.rule.priority}`)
      if (event.kind === 'link') seen.push(`${sign} link ${event.link.name}`)
    }
    expect(seen.filter((line, at) => line !== seen[at - 1])).toEqual(expect.arrayContaining(['+ link d0', '+ address 10.0.0.1', '+ route 10.1.0.0/16', '+ rule 77', '- rule 77', '- route 10.1.0.0/16', '- link d0']))
  })
})
