import { realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { type IfIndex, ifIndexFrom, parseIp, parseMac } from '@weft/ip'
import type { Link, RouteSocket } from '@weft/netlink'
import { expect, it } from 'vitest'
import { formatData } from './model.ts'
import type { AddressPort, CoverPort, StoredAttachment } from './ports.ts'
import { Teardown } from './teardown.ts'

const key = { containerId: 'a', ifname: 'eth0' }
const hostIfname = 'weft0123456789a'

function leaving(): StoredAttachment {
  return {
    ...key, hostIfname, namespace: '', name: '', uid: undefined, netns: '', ips: [parseIp('10.0.0.2')], state: 'releasing',
    data: formatData({ network: 'weft', podMac: parseMac('02:00:00:00:00:01'), portMappings: [], mtu: 1500, bridged: false }),
  }
}

it('a link is not deleted by the number that one of its name had before (C20)', async () => {
  let stored: readonly StoredAttachment[] = []
  let linkNumber: number | undefined
  const deleted: IfIndex[] = []
  const address: Pick<AddressPort, 'attachments' | 'beginRelease' | 'release'> = { attachments: () => stored, beginRelease: async () => stored[0], release: async () => void (stored = []) }
  const cover: CoverPort = { ready: true, cover: async () => undefined, uncover: async () => undefined }
  const route: Pick<RouteSocket, 'findLink' | 'deleteLinks'> = {
    findLink: () => linkNumber === undefined ? undefined : { index: ifIndexFrom(linkNumber) } as Link,
    deleteLinks: async (indexes) => void deleted.push(...indexes),
  }
  const teardown = new Teardown({ address: address as AddressPort, cover, route: route as RouteSocket, conntrack: undefined, bridging: false, clock: realClock, logger: silentLogger })
  const stop = new AbortController()
  const running = teardown.run(stop.signal)
  /** One life of the container's link: known by its number if ADD got that far, in the store if its addresses did. */
  const end = async (number: number, { isRemembered, isStored }: { readonly isRemembered: boolean, readonly isStored: boolean }): Promise<readonly number[]> => {
    linkNumber = number
    if (isRemembered) teardown.remember(hostIfname, ifIndexFrom(number))
    stored = isStored ? [leaving()] : []
    await teardown.remove(key, hostIfname, { wait: true })
    return deleted.splice(0)
  }
  expect(await end(5, { isRemembered: true, isStored: true })).toEqual([5])
  expect(await end(6, { isRemembered: false, isStored: true })).toEqual([6])
  expect(await end(7, { isRemembered: true, isStored: false })).toEqual([7])
  expect(await end(8, { isRemembered: false, isStored: true })).toEqual([8])
  // And an orphan is gone when it is gone.
  expect(await end(9, { isRemembered: false, isStored: false })).toEqual([9])
  expect(await end(10, { isRemembered: false, isStored: true })).toEqual([10])
  stop.abort()
  await running
})
