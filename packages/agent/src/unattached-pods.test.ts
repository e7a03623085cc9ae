import { type Attachment, parseNodeName, type Pod, parsePodUid, toPod } from '@weft/api'
import { ManualClock } from '@weft/daemon/testing'
import { storeOf } from '@weft/kube/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UnattachedPods } from './unattached-pods.ts'

interface PodParts {
  readonly nodeName?: string
  readonly uid?: string
  readonly hostNetwork?: boolean
  readonly ips?: readonly string[]
  readonly phase?: string
  readonly deletionTimestamp?: string
}

function pod(name: string, { nodeName = 'n1', uid = name, hostNetwork = false, ips = ['10.244.1.9'], phase = 'Running', ...meta }: PodParts = {}): Pod {
  return toPod({ metadata: { namespace: 'shop', name, uid, resourceVersion: '1', ...meta }, spec: { nodeName, hostNetwork, containers: [] }, status: { phase, podIPs: ips.map((ip) => ({ ip })) } })
}
const attachment = (name: string, uid?: string): Attachment => ({ containerId: `c-${name}`, ifname: 'eth0', namespace: 'shop', name, uid: uid === undefined ? undefined : parsePodUid(uid), hostIfname: `weft${name}`, ips: [] })

describe('UnattachedPods', () => {
  const pods = storeOf<Pod>()
  let clock: ManualClock
  let attachments: Attachment[]
  let isKnown: boolean
  let told: string[]
  let unattached: UnattachedPods
  let ending: AbortController
  let running: Promise<void>

  beforeEach(() => {
    clock = new ManualClock()
    pods.replace([])
    attachments = []
    isKnown = true
    told = []
    ending = new AbortController()
    unattached = new UnattachedPods({ nodeName: parseNodeName('n1'), pods, attachments: () => attachments, isKnown: () => isKnown, clock, recorder: { record: ({ name }, type, { reason, message }) => void told.push(`${type} ${reason} ${name}: ${message}`) } })
    running = unattached.run(ending.signal)
  })
  afterEach(async () => {
    ending.abort()
    await running
  })

  test('A8 a pod that lived through an installation is told once, with what to do, until it is gone', async () => {
    pods.replace([pod('old'), pod('wired')])
    attachments.push(attachment('wired', 'wired'))
    await clock.advance(60_000)
    expect(told).toEqual(['Warning NotAttached old: Weft did not attach this pod, which ran before it: it has no network; delete it (`kubectl -n shop delete pod old`), and the one that takes its place has one'])
    expect(unattached.notice).toBe('1 that were here before it have no network: shop/old; delete them, and those that take their place have one (`kubectl -n NAMESPACE delete pod NAME`)')
    pods.replace([pod('old', { uid: 'next' }), pod('wired')])
    attachments.push(attachment('old', 'next'))
    await clock.advance(5000)
    expect(unattached.notice).toBeUndefined()
    expect(told).toHaveLength(1)
  })

  test.each<[string, Pod]>([
    ['of another node', pod('a', { nodeName: 'n2' })],
    ['on the host\'s network', pod('a', { hostNetwork: true })],
    ['that has no address yet', pod('a', { ips: [] })],
    ['that has ended', pod('a', { phase: 'Succeeded' })],
    ['that is being deleted', pod('a', { deletionTimestamp: '2026-01-01T00:00:00Z' })],
  ])('a pod %s is none', async (_, each) => {
    pods.replace([each])
    await clock.advance(60_000)
    expect([told, unattached.notice]).toEqual([[], undefined])
  })

  test('an attachment of a pod of before under the same name does not count, one whose uid the runtime did not tell does', async () => {
    pods.replace([pod('a'), pod('b')])
    attachments.push(attachment('a', 'earlier'), attachment('b'))
    await clock.advance(60_000)
    expect(told).toEqual([expect.stringContaining('NotAttached a:')])
  })

  test('a sandbox that is made anew is no news', async () => {
    pods.replace([pod('a')])
    attachments.push(attachment('a', 'a'))
    for (let round = 0; round < 3; round += 1) {
      const [own] = attachments.splice(0)
      await clock.advance(8000)
      attachments.push(own!)
      await clock.advance(8000)
    }
    expect([told, unattached.notice]).toEqual([[], undefined])
  })

  test('nothing is said before attachments are known, and many are counted, not listed', async () => {
    isKnown = false
    pods.replace(['g', 'a', 'b', 'c', 'd', 'e', 'f'].map((name) => pod(name)))
    await clock.advance(60_000)
    expect(told).toEqual([])
    isKnown = true
    await clock.advance(20_000)
    expect(told).toHaveLength(7)
    expect(unattached.notice).toContain('7 that were here before it have no network: shop/a, shop/b, shop/c, shop/d, shop/e and 2 more;')
  })
})
