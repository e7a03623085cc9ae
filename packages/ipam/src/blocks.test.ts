import { type IpBlock, ipBlockResource, type IpPool, ipPoolResource, type Node, parseNodeName, toIpBlock, toIpPool, toNode } from '@weft/api'
import { createRegistry, realClock } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { formatCidr, formatIp } from '@weft/ip'
import { targetOf } from '@weft/kube'
import { FakeApi, MemoryClient, storeOf } from '@weft/kube/testing'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { candidates, claimBlock, withoutOverlap } from './block-claim.ts'
import { ipamConfigSchema, poolControllerConfigSchema } from './config.ts'
import { createIpam } from './ipam.ts'
import { createPoolController } from './pool-controller.ts'
import type { OnRefused } from './refusals.ts'

function pool(name: string, cidr: string, rest: object = {}): { readonly metadata: { readonly name: string }, readonly spec: object } {
  return { metadata: { name }, spec: { cidr, ...rest } }
}

function node(name: string, podCIDRs: readonly string[] = []): { readonly metadata: { readonly name: string }, readonly spec: object } {
  return { metadata: { name }, spec: { podCIDRs } }
}

function apiWith(...pools: readonly ReturnType<typeof pool>[]): { readonly api: FakeApi, readonly kube: MemoryClient } {
  const api = new FakeApi()
  for (const object of pools) api.put(ipPoolResource.path, { ...object, apiVersion: ipPoolResource.apiVersion, kind: 'IPPool' })
  return { api, kube: new MemoryClient(api) }
}

async function blocksOf(kube: MemoryClient): Promise<readonly IpBlock[]> {
  const { items } = await kube.request<{ readonly items: readonly unknown[] }>('GET', ipBlockResource.path)
  return items.map(toIpBlock)
}

const options = { signal: new AbortController().signal, refuse: () => undefined }

describe('claimBlock()', () => {
  it('gives nodes that ask at once blocks of their own (P1)', async () => {
    const { kube } = apiWith(pool('default', '10.244.0.0/24', { blockPrefix: 28 }))
    const claimed = await Promise.all(Array.from({ length: 16 }, (_unused, index) => claimBlock(kube, parseNodeName(`n${index}`), 4, options)))
    expect(new Set(claimed.map((block) => formatCidr(block!.cidr))).size).toBe(16)
    expect((await blocksOf(kube)).map((block) => block.node ?? '').sort()).toEqual(Array.from({ length: 16 }, (_unused, index) => `n${index}`).sort())
    expect(await claimBlock(kube, parseNodeName('late'), 4, options)).toBeUndefined()
  })

  it('takes a block that nobody owns before a new one', async () => {
    const { api, kube } = apiWith(pool('default', '10.244.0.0/16'))
    api.put(ipBlockResource.path, { apiVersion: ipBlockResource.apiVersion, kind: 'IPBlock', metadata: { name: '10-244-9-0-26' }, spec: { cidr: '10.244.9.0/26', pool: 'default', node: '' } })
    expect(formatCidr((await claimBlock(kube, parseNodeName('n1'), 4, options))!.cidr)).toBe('10.244.9.0/26')
    expect(await blocksOf(kube)).toMatchObject([{ node: 'n1', labels: { 'weft.dev/node': 'n1' } }])
  })

  it('takes nothing from disabled pools and none of the wrong family', async () => {
    const { kube } = apiWith(pool('off', '10.244.0.0/16', { disabled: true }), pool('six', 'fd00::/56'))
    expect(await claimBlock(kube, parseNodeName('n1'), 4, options)).toBeUndefined()
    expect(formatCidr((await claimBlock(kube, parseNodeName('n1'), 6, options))!.cidr)).toMatch(/^fd00.*\/76$/)
  })
})

describe('candidates()', () => {
  it('visits every block of a pool once, from a place the node decides', () => {
    const all = [...candidates(toIpPool(pool('p', '10.0.0.0/24', { blockPrefix: 27 })), parseNodeName('n1'))].map(formatCidr)
    expect([...all].sort()).toEqual(['10.0.0.0/27', '10.0.0.128/27', '10.0.0.160/27', '10.0.0.192/27', '10.0.0.224/27', '10.0.0.32/27', '10.0.0.64/27', '10.0.0.96/27'])
    expect([...candidates(toIpPool(pool('p', '10.0.0.0/24', { blockPrefix: 27 })), parseNodeName('n3'))].map(formatCidr)).not.toEqual(all)
  })
})

describe('withoutOverlap()', () => {
  it('refuses the later of two pools that overlap (P10)', () => {
    const refused: string[] = []
    const kept = withoutOverlap([pool('b', '10.1.0.0/16'), pool('a', '10.0.0.0/8'), pool('c', 'fd00::/56')].map(toIpPool), (object, error) => refused.push(`${targetOf(object, { apiVersion: '', kind: '' }).kind} ${String(error)}`))
    expect(kept.map(({ name }) => name)).toEqual(['a', 'c'])
    expect(refused).toEqual(['IPPool RangeError: Cannot use IPPool "b": its range 10.1.0.0/16 overlaps 10.0.0.0/8 of pool "a"'])
  })
})

async function withIpam(mode: 'auto' | 'blocks' | 'node-cidr', parts: { readonly kube: MemoryClient, readonly nodes: readonly Node[], readonly onRefused?: OnRefused }, use: (ipam: Awaited<ReturnType<typeof createIpam>>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-ipam-'))
  const abort = new AbortController()
  try {
    const config = ipamConfigSchema.parse({ mode, storePath: join(folder, 's.db'), lowWater: 4, autoGrace: '0s' })
    await using ipam = await createIpam({ config, nodeName: parseNodeName('n1'), nodes: storeOf(parts.nodes), kube: parts.kube, onRefused: parts.onRefused, clock: realClock, logger: silentLogger, registry: createRegistry() })
    const running = ipam.run(abort.signal)
    for (let turn = 0; turn < 200 && !ipam.ready; turn += 1) await realClock.sleep(5)
    await use(ipam)
    abort.abort()
    await running
  } finally {
    await rm(folder, { recursive: true })
  }
}

const request = (containerId: string) => ({ containerId, ifname: 'eth0', pod: { namespace: '', name: '', uid: undefined }, hostIfname: '', netns: '' })

async function runController(parts: { readonly kube: MemoryClient, readonly nodes?: readonly Node[], readonly pools?: readonly IpPool[], readonly blocks?: readonly IpBlock[], readonly onRefused?: OnRefused }, advanceMs: readonly number[]): Promise<void> {
  const clock = new ManualClock()
  const abort = new AbortController()
  const config = poolControllerConfigSchema.parse({ pools: [{ name: 'default', cidr: '10.244.0.0/16' }], nodeGrace: '10m', interval: '1m' })
  const controller = createPoolController({ config, kube: parts.kube, nodes: storeOf(parts.nodes ?? []), pools: storeOf(parts.pools ?? []), blocks: storeOf(parts.blocks ?? []), onRefused: parts.onRefused, clock, logger: silentLogger, registry: createRegistry() })
  const running = controller.run(abort.signal)
  for (const ms of advanceMs) await clock.advance(ms)
  abort.abort()
  await running
}

describe('createIpam()', () => {
  it('mode blocks takes a block ahead of need and more as pods come', async () => {
    const { kube } = apiWith(pool('default', '10.244.0.0/24', { blockPrefix: 29 }))
    await withIpam('blocks', { kube, nodes: [toNode(node('n1'))] }, async (ipam) => {
      const given: string[] = []
      for (let index = 0; index < 20; index += 1) {
        const { addresses, committed } = await ipam.allocate(request(`c${index}`))
        await committed
        given.push(...addresses.map(formatIp))
      }
      expect(new Set(given).size).toBe(20)
      expect((await blocksOf(kube)).every((block) => block.node === 'n1')).toBe(true)
    })
  })

  it('mode auto uses podCIDRs where there are some, pools elsewhere (IPAM-13)', async () => {
    const { kube } = apiWith(pool('default', '10.99.0.0/16'))
    await withIpam('auto', { kube, nodes: [toNode(node('n1', ['fd00:1::/64', '10.244.1.0/24']))] }, async (ipam) => {
      expect(ipam.families).toEqual([6, 4])
      expect((await ipam.allocate(request('c'))).addresses.map(formatIp)).toEqual(['fd00:1::2', '10.244.1.2'])
    })
    await withIpam('auto', { kube, nodes: [toNode(node('n1'))] }, async (ipam) => {
      expect(formatIp((await ipam.allocate(request('c'))).addresses[0]!)).toMatch(/^10\.99\./)
    })
  })
})

describe('onRefused', () => {
  const overlapping = [pool('a', '10.0.0.0/8'), pool('b', '10.1.0.0/16')]

  function collect(): { readonly told: readonly string[], readonly onRefused: OnRefused } {
    const told: string[] = []
    return { told, onRefused: (object, error) => {
      const { apiVersion, kind, name } = targetOf(object, { apiVersion: '', kind: '' })
      told.push(`${apiVersion} ${kind} ${name}: ${String(error)}`)
    } }
  }

  it.each(['auto', 'blocks'] as const)('createIpam() tells of every pool it cannot use, once (mode %s)', async (mode) => {
    const { kube } = apiWith(...overlapping, pool('bad', '10.0.0.1/8'))
    const { told, onRefused } = collect()
    await withIpam(mode, { kube, nodes: [toNode(node('n1'))], onRefused }, async (ipam) => {
      // Enough for a second block, for which the pools are looked at again.
      for (let index = 0; index < 70; index += 1) await (await ipam.allocate(request(`c${index}`))).committed
    })
    expect(new Set(told.map((line) => line.split(': ')[0]))).toEqual(new Set([`${ipPoolResource.apiVersion} IPPool b`, `${ipPoolResource.apiVersion} IPPool bad`]))
    expect(told).toHaveLength(2)
  })

  it('createPoolController() tells of pools that overlap, once', async () => {
    const { told, onRefused } = collect()
    await runController({ kube: apiWith().kube, pools: overlapping.map(toIpPool), onRefused }, [1000, 60_000, 60_000])
    expect(told).toEqual([`${ipPoolResource.apiVersion} IPPool b: RangeError: Cannot use IPPool "b": its range 10.1.0.0/16 overlaps 10.0.0.0/8 of pool "a"`])
  })

  it('what the receiver throws harms nothing', async () => {
    const { kube } = apiWith()
    await runController({ kube, pools: overlapping.map(toIpPool), onRefused: () => { throw new Error('no recorder') } }, [1000])
    expect(await kube.request('GET', `${ipPoolResource.path}/default`)).toMatchObject({ spec: { cidr: '10.244.0.0/16' } })
  })
})

describe('createPoolController()', () => {
  const block = (name: string, cidr: string, owner: string): IpBlock => toIpBlock({ metadata: { name, uid: `u-${name}`, resourceVersion: '1' }, spec: { cidr, pool: 'default', node: owner } })

  it('run() creates the configured pool unless the cluster assigns podCIDRs out of it', async () => {
    const bare = apiWith()
    await runController({ kube: bare.kube, nodes: [toNode(node('n1'))] }, [1000])
    expect(await bare.kube.request('GET', `${ipPoolResource.path}/default`)).toMatchObject({ spec: { cidr: '10.244.0.0/16' } })
    const assigned = apiWith()
    await runController({ kube: assigned.kube, nodes: [toNode(node('n1', ['10.244.3.0/24']))] }, [1000])
    await expect(assigned.kube.request('GET', `${ipPoolResource.path}/default`)).rejects.toMatchObject({ status: 404 })
  })

  it('run() collects blocks of nodes that stay away for the grace period, and asks the API once more', async () => {
    const { api, kube } = apiWith(pool('default', '10.244.0.0/16'))
    const raw = (name: string, cidr: string, owner: string) => api.put(ipBlockResource.path, { apiVersion: ipBlockResource.apiVersion, kind: 'IPBlock', metadata: { name }, spec: { cidr, pool: 'default', node: owner } })
    const blocks = [raw('10-244-0-0-26', '10.244.0.0/26', 'gone'), raw('10-244-0-64-26', '10.244.0.64/26', 'here'), raw('10-244-0-128-26', '10.244.0.128/26', 'unseen')].map(toIpBlock)
    api.put('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'unseen' } })
    const parts = { kube, nodes: [toNode(node('here'))], pools: [toIpPool(pool('default', '10.244.0.0/16'))], blocks }
    await runController(parts, [1000, ...Array.from({ length: 9 }, () => 60_000)])
    expect(await blocksOf(kube)).toHaveLength(3)
    await runController(parts, [1000, ...Array.from({ length: 12 }, () => 60_000)])
    expect((await blocksOf(kube)).map(({ node: owner }) => owner ?? '').sort()).toEqual(['here', 'unseen'])
  })

  it('dump() tells pools, blocks and owners', () => {
    const config = poolControllerConfigSchema.parse({})
    const controller = createPoolController({ config, kube: apiWith().kube, nodes: storeOf<Node>([]), pools: storeOf([toIpPool(pool('default', '10.244.0.0/16'))]), blocks: storeOf([block('10-244-0-0-26', '10.244.0.0/26', 'n1')]), clock: realClock, logger: silentLogger, registry: createRegistry() })
    expect(controller.dump()).toBe('block 10.244.0.0/26 default n1\npool default 10.244.0.0/16\n')
  })
})
