import { skippable } from '@weft/daemon/testing'
import { formatIp, parseCidr, parseIp } from '@weft/ip'
import { sendPacket, TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { programs } from '@weft/plugin/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNode, type NodeFixture } from '../test/node-fixture.ts'

const reason = whyNoKernelTests() ?? whyNoPrograms('nft')
const [[, program]] = await programs()
const icmpv6 = 58

/** A router advertisement (RFC 4861 §4.2) that offers a default route and 2001:db8:bad::/64 for addresses. */
const advertisement = Uint8Array.of(
  134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0,
  3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0x20, 0x01, 0x0d, 0xb8, 0x0b, 0xad, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
)

describe.skipIf(reason !== undefined)(skippable('IPv6 of pods', reason), () => {
  let node: NodeFixture
  const namespaces: TestNamespace[] = []
  beforeEach(async () => {
    node = await createNode(program)
    await node.start()
  })
  afterEach(async () => {
    for (const namespace of namespaces.splice(0)) await namespace[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  async function create(): Promise<TestNamespace> {
    const namespace = await TestNamespace.create()
    namespaces.push(namespace)
    return namespace
  }

  async function add(containerId: string): Promise<{ readonly pod: TestNamespace, readonly ips: readonly string[] }> {
    const pod = await create()
    const { exitCode, stdout } = await node.call('ADD', { containerId, netns: pod.path })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    const { ips }: { readonly ips: readonly { readonly address: string }[] } = JSON.parse(stdout)
    return { pod, ips: ips.map(({ address }) => address) }
  }

  /** What an advertisement would have made, and the default route that is there by right. */
  function madeBy(advertised: TestNamespace): { readonly addresses: readonly string[], readonly ways: number } {
    return {
      addresses: advertised.route.addresses({ family: 6 }).map(({ address }) => formatIp(address)).filter((ip) => ip.startsWith('2001:db8:bad:')),
      ways: advertised.route.routes({ family: 6, table: 254 }).filter(({ destination }) => destination.prefix === 0).length,
    }
  }

  /** The kernel would send it with a hop limit that no receiver takes. */
  async function advertise(from: TestNamespace, ifname: string): Promise<void> {
    from.exec('nft', ['add table inet far; add chain inet far out { type filter hook output priority 0; }; add rule inet far out icmpv6 type nd-router-advert ip6 hoplimit set 255'])
    const ifIndex = from.route.link(ifname).index
    // Its link-local address is usable once duplicates were looked for.
    await expect.poll(() => sendPacket(from.path, 'ff02::1', { protocol: icmpv6, payload: advertisement, ifIndex }), { timeout: 5000 }).toBe(true)
  }

  it('NET-20, CNI-31 a pod of a node with IPv6 alone has one address, usable at once', async () => {
    node.addresses.setRanges([parseCidr('fd00:10:244:1::/64')])
    const { pod, ips } = await add('six')
    expect(ips).toEqual(['fd00:10:244:1::2/128'])
    expect(await pod.echoes('fd00:172:30:1::11', { from: 'fd00:10:244:1::2', timeoutMs: 500 })).toBe(true)
    expect(pod.route.routes({ table: 254 }).filter(({ family, destination }) => family === 4 && destination.prefix === 0)).toEqual([])
    const other = await add('too')
    expect(await pod.echoes(other.ips[0]!.split('/')[0]!, { timeoutMs: 500 })).toBe(true)
  })

  it('NET-20 a router advertisement of a pod changes neither node nor other pods', async () => {
    // That it is one: who is on a link with its sender, and heeds advertisements, has address and route of it.
    const [sender, victim] = [await create(), await create()]
    TestNamespace.connect(sender, { name: 'eth0' }, victim, { name: 'eth0' })
    await advertise(sender, 'eth0')
    await expect.poll(() => madeBy(victim), { timeout: 5000 }).toMatchObject({ addresses: [expect.stringMatching(/^2001:db8:bad:/)], ways: 1 })
    const [evil, honest] = [await add('evil'), await add('honest')]
    await advertise(evil.pod, 'eth0')
    expect(await evil.pod.echoes('fd00:172:30:1::11')).toBe(true)
    expect([madeBy(node.namespace), madeBy(honest.pod)]).toEqual([{ addresses: [], ways: 0 }, { addresses: [], ways: 1 }])
    expect(await honest.pod.echoes('fd00:172:30:1::11')).toBe(true)
    expect(node.namespace.route.lookupRoute(parseIp('2001:db8:bad::1'))).toBeUndefined()
  })
})
