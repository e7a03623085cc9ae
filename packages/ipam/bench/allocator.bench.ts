/** Addresses given and taken back by one node's allocator. Runs by itself: `node -C dev packages/ipam/bench/allocator.bench.ts`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Allocator, type AttachmentKey } from '@weft/allocator'
import { createRegistry } from '@weft/daemon'
import { type BenchCase, median } from '@weft/daemon/bench'
import { silentLogger } from '@weft/daemon/testing'
import { parseCidr } from '@weft/ip'
import { parsePodUid } from '@weft/api'

const perGroup = 1000
const groups = 12

async function withAllocator<T>(range: string, run: (allocator: Allocator) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    await using allocator = await Allocator.open({ storePath: join(folder, 'attachments.db'), logger: silentLogger, registry: createRegistry() })
    allocator.setRanges([parseCidr(range)])
    return await run(allocator)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function keys(prefix: string, count: number): readonly AttachmentKey[] {
  return Array.from({ length: count }, (_, index) => ({ containerId: `${prefix}${index}`, ifname: 'eth0' }))
}

function request(key: AttachmentKey): Parameters<Allocator['allocate']>[0] {
  return { ...key, pod: { namespace: 'default', name: key.containerId, uid: parsePodUid('u') }, hostIfname: 'weft0', netns: '/run/netns/x' }
}

async function allocateAll(allocator: Allocator, list: readonly AttachmentKey[]): Promise<void> {
  await Promise.all(list.map(async (key) => (await allocator.allocate(request(key))).committed))
}

/** Operations per second that are on disk when they count. */
async function durable(): Promise<BenchCase> {
  const rates = await withAllocator('10.0.0.0/16', async (allocator) => {
    const found: number[] = []
    for (let group = 0; group < groups; group += 1) {
      const list = keys(`g${group}-`, perGroup)
      const began = performance.now()
      await allocateAll(allocator, list)
      await Promise.all(list.map((key) => allocator.release(key)))
      found.push((2 * perGroup) / ((performance.now() - began) / 1000))
    }
    return found
  })
  const ours = median(rates)
  return { name: 'allocate and release, durable', size: `groups of ${perGroup}`, unit: 'operations/s', ours, peer: undefined, peer_name: 'none: the goal is absolute', ratio: undefined, goal: 'ours >= 20000/s', ok: ours >= 20_000 }
}

/** What one decision costs before the disk is asked. */
async function inMemory(): Promise<BenchCase> {
  const ours = await withAllocator('10.0.0.0/16', async (allocator) => {
    const times: number[] = []
    const pending: Promise<void>[] = []
    for (const key of keys('m', 10_000)) {
      const began = performance.now()
      const { committed } = await allocator.allocate(request(key))
      times.push((performance.now() - began) * 1000)
      pending.push(committed)
    }
    await Promise.all(pending)
    return median(times)
  })
  return { name: 'allocate p50, before the disk', size: '10000 addresses', unit: 'us', ours, peer: undefined, peer_name: 'none: the goal is absolute', ratio: undefined, goal: 'ours <= 5 us', ok: ours <= 5 }
}

/** More pods than addresses: as many succeed as there are, the rest is told at once. */
async function exhausted(): Promise<BenchCase> {
  const left = 100
  const { ms, succeeded } = await withAllocator('10.0.0.0/24', async (allocator) => {
    await allocateAll(allocator, keys('first', 253 - left))
    const began = performance.now()
    const results = await Promise.allSettled(keys('late', 500).map(async (key) => (await allocator.allocate(request(key))).committed))
    return { ms: performance.now() - began, succeeded: results.filter(({ status }) => status === 'fulfilled').length }
  })
  return { name: `500 at once on ${left} left: all answered`, size: `${succeeded} succeeded`, unit: 'ms', ours: ms, peer: undefined, peer_name: 'none: the goal is absolute', ratio: undefined, goal: `exactly ${left}, ours <= 1000 ms`, ok: succeeded === left && ms <= 1000 }
}

export async function cases(): Promise<readonly BenchCase[]> {
  return [await durable(), await inMemory(), await exhausted()]
}

if (import.meta.main) for (const line of await cases()) console.log(line)
