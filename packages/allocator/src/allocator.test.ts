import { parsePodUid } from '@weft/api'
import { chmod, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createRegistry } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { formatIp, parseCidr, parseIp } from '@weft/ip'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Allocator } from './allocator.ts'
import { IpamError } from './ipam-error.ts'
import type { AllocateRequest } from './model.ts'
import { readRangeSets } from './range-set.ts'
import type { StoredAttachment } from './store-message.ts'
import { AttachmentStore } from './store.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-allocator-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function open(...cidrs: readonly string[]): Promise<Allocator> {
  const allocator = await Allocator.open({ storePath: join(folder, 'attachments.db'), lowWater: 0, logger: silentLogger, registry: createRegistry() })
  allocator.setRanges(cidrs.map(parseCidr))
  return allocator
}

function request(containerId: string, rest: Partial<AllocateRequest> = {}): AllocateRequest {
  return { containerId, ifname: 'eth0', pod: { namespace: 'default', name: containerId, uid: parsePodUid('u') }, hostIfname: `weft${containerId}`, netns: `/run/netns/${containerId}`, ...rest }
}

async function allocate(allocator: Allocator, containerId: string, rest: Partial<AllocateRequest> = {}): Promise<string[]> {
  const { addresses, committed } = await allocator.allocate(request(containerId, rest))
  await committed
  return addresses.map(formatIp)
}

describe('Allocator', () => {
  it('allocate() gives one address per family, in the order of the ranges (IPAM-1, IPAM-14)', async () => {
    await using allocator = await open('fd00:10:244:1::/64', '10.244.1.0/24')
    expect(await allocate(allocator, 'a')).toEqual(['fd00:10:244:1::2', '10.244.1.2'])
    expect(await allocate(allocator, 'b', { families: [4] })).toEqual(['10.244.1.3'])
  })

  it('IPAM-1, IPAM-10 allocate() takes addresses out of ranges of the request before those of the node', async () => {
    await using allocator = await open('10.244.1.0/24', 'fd00:10:244:1::/64')
    const own = readRangeSets([[{ subnet: '192.0.2.0/24', rangeStart: '192.0.2.10', rangeEnd: '192.0.2.11' }]])
    expect(await allocate(allocator, 'a', { ranges: own })).toEqual(['192.0.2.10', 'fd00:10:244:1::2'])
    expect(await allocate(allocator, 'b', { ranges: own, families: [4] })).toEqual(['192.0.2.11'])
    await expect(allocate(allocator, 'c', { ranges: own })).rejects.toThrow('no IP addresses available in range set: 192.0.2.10-192.0.2.11')
    expect(await allocate(allocator, 'd')).toEqual(['10.244.1.2', 'fd00:10:244:1::3'])
  })

  it('IPAM-15 allocate() gives no address twice where ranges overlap, with those of others and of the node, at once and after a restart', async () => {
    const overlapping = [readRangeSets([[{ subnet: '10.1.2.0/28' }]]), readRangeSets([[{ subnet: '10.1.2.0/27', gateway: '10.1.2.30' }]]), undefined]
    const given: string[] = []
    for (const life of [0, 1]) {
      await using allocator = await open('10.1.2.0/26')
      for (const [index, ranges] of overlapping.entries()) given.push(...await allocate(allocator, `${life}-${index}`, { ranges }), ...await allocate(allocator, `${life}-${index}-again`, { ranges }))
    }
    expect(new Set(given).size).toBe(given.length)
    await using allocator = await open('10.1.2.0/26')
    await allocator.release({ containerId: '0-0', ifname: 'eth0' })
    expect(await allocate(allocator, 'small', { ranges: overlapping[0] })).toEqual([given[0]])
  })

  it('readRangeSets() refuses what no range can be (IPAM-9)', () => {
    const refused = (...sets: Parameters<typeof readRangeSets>[0]): string => {
      try {
        readRangeSets(sets)
        return ''
      } catch (error) {
        return error instanceof IpamError ? error.message.replace(/^Cannot use range /, '') : String(error)
      }
    }
    expect([
      refused([{ subnet: '10.1.2.1/24' }]), refused([{ subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' }]), refused([{ subnet: '10.1.2.0/24', rangeEnd: '10.1.1.1' }]),
      refused([{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.8' }]), refused([{ subnet: '10.1.2.0/24' }, { subnet: '10.1.2.128/25' }]),
      refused([{ subnet: '10.1.2.0/24' }, { subnet: 'fd00::/64' }]), refused([{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]), refused([]), refused([{ subnet: 'x' }]),
    ].map((message) => message === '' ? 'taken' : message.includes('": '))).toEqual(Array.from({ length: 9 }, () => true))
    expect(refused([{ subnet: '10.1.2.0/24', rangeEnd: '10.1.2.127' }, { subnet: '10.1.2.0/24', rangeStart: '10.1.2.128' }], [{ subnet: 'fd00::/64' }])).toBe('')
  })

  it('allocate() refuses a second address for the same interface, not for another one (IPAM-5)', async () => {
    await using allocator = await open('10.1.2.0/24')
    await allocate(allocator, 'a')
    await expect(allocate(allocator, 'a')).rejects.toThrow('10.1.2.2 has been allocated to a, duplicate allocation is not allowed')
    expect(await allocate(allocator, 'a', { ifname: 'net1' })).toEqual(['10.1.2.3'])
  })

  it('allocate() is all or nothing over families (IPAM-7)', async () => {
    await using allocator = await open('10.1.2.0/24', 'fd00::/126')
    await allocate(allocator, 'a')
    await allocate(allocator, 'b')
    await expect(allocate(allocator, 'c')).rejects.toThrow('no IP addresses available in range set: fd00::-fd00::3')
    await allocator.release({ containerId: 'a', ifname: 'eth0' })
    expect((await allocate(allocator, 'd'))[0]).toBe('10.1.2.5')
    expect(allocator.attachments()).toHaveLength(2)
  })

  it('allocate() honours addresses asked for and refuses those that would be left over (IPAM-8)', async () => {
    await using allocator = await open('10.1.2.0/24')
    expect(await allocate(allocator, 'a', { requested: [parseIp('10.1.2.88')] })).toEqual(['10.1.2.88'])
    await expect(allocate(allocator, 'b', { requested: [parseIp('10.1.2.88')] })).rejects.toMatchObject({ code: 'ERR_IPAM_ADDRESS_UNAVAILABLE' })
    await expect(allocate(allocator, 'b', { requested: [parseIp('fd00::5')] })).rejects.toMatchObject({ code: 'ERR_IPAM_ADDRESS_UNAVAILABLE' })
    await expect(allocate(allocator, 'b', { requested: [parseIp('10.1.2.90'), parseIp('10.1.2.91')] })).rejects.toMatchObject({ code: 'ERR_IPAM_ADDRESS_UNAVAILABLE' })
    expect(await allocate(allocator, 'b')).toEqual(['10.1.2.89'])
  })

  it('release() frees exactly one attachment and minds no unknown one (IPAM-6)', async () => {
    await using allocator = await open('10.1.2.0/29')
    for (const id of ['a', 'b', 'c']) await allocate(allocator, id)
    await allocator.release({ containerId: 'b', ifname: 'eth1' })
    await allocator.release({ containerId: 'b', ifname: 'eth0' })
    await allocator.release({ containerId: 'b', ifname: 'eth0' })
    expect(allocator.attachments().map(({ containerId }) => containerId)).toEqual(['a', 'c'])
    expect([await allocate(allocator, 'd'), await allocate(allocator, 'e'), await allocate(allocator, 'f')].flat()).toEqual(['10.1.2.5', '10.1.2.6', '10.1.2.3'])
  })

  it('beginRelease() is answered to nobody before the one write is on disk', async () => {
    await using allocator = await open('10.1.2.0/28')
    await allocate(allocator, 'a')
    const order: string[] = []
    const key = { containerId: 'a', ifname: 'eth0' }
    const first = allocator.beginRelease(key).then(() => order.push('first'))
    const second = allocator.beginRelease(key).then(() => order.push('second'))
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
  })

  it('beginRelease() that could not be written leaves the state as the disk has it, and fails for all who asked', async () => {
    {
      await using allocator = await open('10.1.2.0/28')
      await allocate(allocator, 'a')
    }
    const database = new DatabaseSync(join(folder, 'attachments.db'))
    database.exec(`CREATE TRIGGER full BEFORE UPDATE ON attachment WHEN NEW.state = 'releasing' BEGIN SELECT RAISE(ABORT, 'disk is full'); END`)
    database.close()
    await using allocator = await open('10.1.2.0/28')
    const key = { containerId: 'a', ifname: 'eth0' }
    const confirmed = allocator.confirm(key)
    const releases = await Promise.allSettled([allocator.beginRelease(key), allocator.beginRelease(key)])
    await confirmed
    expect(releases.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(allocator.find(key)!.state).toBe('attached')
    await expect(allocator.beginRelease(key)).rejects.toThrow('disk is full')
  })

  it('open() finds attachments, states and the place in the round again (IPAM-15)', async () => {
    {
      await using allocator = await open('10.1.2.0/28')
      for (const id of ['a', 'b', 'c']) await allocate(allocator, id, { data: `data of ${id}` })
      await allocator.confirm({ containerId: 'a', ifname: 'eth0' })
      await allocator.beginRelease({ containerId: 'b', ifname: 'eth0' })
      await allocator.release({ containerId: 'c', ifname: 'eth0' })
    }
    await using allocator = await open('10.1.2.0/28')
    expect(allocator.attachments().map(({ containerId, state, data, ips, hostIfname }) => [containerId, state, data, formatIp(ips[0]!), hostIfname])).toEqual([
      ['a', 'attached', 'data of a', '10.1.2.2', 'wefta'], ['b', 'releasing', 'data of b', '10.1.2.3', 'weftb'],
    ])
    expect(await allocate(allocator, 'd')).toEqual(['10.1.2.5'])
  })

  it('allocate() of 500 pods at once gives exactly as many addresses as there are (fault 14)', async () => {
    await using allocator = await open('10.1.2.0/24')
    const results = await Promise.allSettled(Array.from({ length: 500 }, (_, index) => allocate(allocator, `c${index}`)))
    const given = results.flatMap((result) => result.status === 'fulfilled' ? result.value : [])
    expect(new Set(given).size).toBe(253)
    expect(given).toHaveLength(253)
    await allocator.release({ containerId: 'c7', ifname: 'eth0' })
    expect(await allocate(allocator, 'late')).toHaveLength(1)
  })

  it('allocate() asks its source for room and tries again', async () => {
    await using allocator = await open('10.1.2.0/30')
    const asked: number[] = []
    allocator.follow({
      mode: 'test', run: () => Promise.resolve(), low: () => undefined,
      grow: async (family) => {
        asked.push(family)
        allocator.setRanges(['10.1.2.0/30', '10.1.3.0/30'].map(parseCidr))
      },
    })
    expect([await allocate(allocator, 'a'), await allocate(allocator, 'b')].flat()).toEqual(['10.1.2.2', '10.1.3.2'])
    expect(asked).toEqual([4])
    await expect(allocate(allocator, 'c')).rejects.toMatchObject({ code: 'ERR_IPAM_POOL_EXHAUSTED', retryable: true })
  })

  it('a freed address is given to nobody else before its cool-down is over, save to who asks for it', async () => {
    let now = 0
    await using allocator = await Allocator.open({ storePath: join(folder, 'attachments.db'), cooldownMs: 1000, now: () => now, logger: silentLogger, registry: createRegistry() })
    allocator.setRanges([parseCidr('10.1.2.0/29')])
    for (const id of ['a', 'b', 'c', 'd', 'e']) await allocate(allocator, id)
    await allocator.release({ containerId: 'a', ifname: 'eth0' })
    await expect(allocate(allocator, 'f')).rejects.toMatchObject({ code: 'ERR_IPAM_POOL_EXHAUSTED', retryable: true })
    expect(await allocate(allocator, 'again', { requested: [parseIp('10.1.2.2')] })).toEqual(['10.1.2.2'])
    await allocator.release({ containerId: 'b', ifname: 'eth0' })
    now = 1000
    expect(await allocate(allocator, 'f')).toEqual(['10.1.2.3'])
  })

  it('restore() takes over an attachment with the addresses it has', async () => {
    await using allocator = await open('10.1.2.0/28')
    const record = { containerId: 'old', ifname: 'eth0', namespace: 'n', name: 'p', uid: parsePodUid('u'), hostIfname: 'weft1', ips: [parseIp('10.1.2.2')], state: 'attached' as const, netns: '/x', data: 'd' }
    await allocator.restore(record)
    expect(allocator.find(record)).toEqual(record)
    expect(await allocate(allocator, 'new')).toEqual(['10.1.2.3'])
    await expect(allocator.restore({ ...record, containerId: 'other' })).rejects.toMatchObject({ code: 'ERR_IPAM_STORE' })
  })

  it('setRanges() refuses one bad range alone', async () => {
    await using allocator = await open('10.1.2.0/31', '10.1.4.0/24')
    expect(await allocate(allocator, 'a')).toEqual(['10.1.4.2'])
  })
})

describe('AttachmentStore', () => {
  const attachment = (containerId: string, address: string): StoredAttachment => ({ containerId, ifname: 'eth0', state: 'pending', namespace: '', name: '', uid: '', netns: '', hostIfname: '', data: '', addresses: [address] })

  it('open() fails while somebody else has the store, and says so', async () => {
    await using _ = await AttachmentStore.open(join(folder, 's.db'))
    await expect(AttachmentStore.open(join(folder, 's.db'), { lockTimeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_IPAM_STORE' })
  })

  it('open() keeps database and journal from everybody else, those of an older version too', async () => {
    const path = join(folder, 's.db')
    const modes = async (): Promise<readonly number[]> => await Promise.all([path, `${path}-wal`].map(async (file) => (await stat(file)).mode & 0o777))
    const before = process.umask(0o022)
    try {
      {
        await using _ = await AttachmentStore.open(path)
        expect(await modes()).toEqual([0o600, 0o600])
      }
      await chmod(path, 0o644)
      await using _ = await AttachmentStore.open(path)
      expect(await modes()).toEqual([0o600, 0o600])
    } finally {
      process.umask(before)
    }
  })

  it.each([
    ['no database', 'x'.repeat(5000)],
    ['a database cut in the middle', undefined],
  ])('open() puts a file aside that is %s, and begins a new one (fault 13)', async (_what, content) => {
    const path = join(folder, 's.db')
    if (content === undefined) {
      {
        await using store = await AttachmentStore.open(path)
        for (let index = 0; index < 200; index += 1) await store.write({ kind: 'insert', attachment: attachment(`c${index}`, `10.0.0.${index}`) })
      }
      const bytes = await readFile(path)
      await writeFile(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x5a)]))
    } else await writeFile(path, content)
    await using store = await AttachmentStore.open(path)
    expect(store.attachments).toEqual([])
    expect(store.setAside).toMatch(/s\.db\.unusable-/)
    expect((await stat(store.setAside!)).size).toBeGreaterThan(4096)
    await store.write({ kind: 'insert', attachment: attachment('a', '10.0.0.2') })
  })

  it('IPAM-15 what a power cut leaves opens, holds all that was acknowledged, and no address twice (fault 13)', async () => {
    const path = join(folder, 's.db')
    const acknowledged: { readonly size: number, readonly ids: readonly string[] }[] = []
    let whole = Buffer.alloc(0)
    {
      await using store = await AttachmentStore.open(path)
      const ids: string[] = []
      for (let index = 0; index < 40; index += 1) {
        await store.write({ kind: 'insert', attachment: attachment(`c${index}`, `10.0.0.${index}`) })
        ids.push(`c${index}`)
        if (index % 3 === 2) {
          const gone = ids.shift()!
          await store.write({ kind: 'delete', containerId: gone, ifname: 'eth0' })
          // Nobody waited for the disk here: only what is waited for afterwards takes it along.
          continue
        }
        acknowledged.push({ size: (await stat(`${path}-wal`)).size, ids: [...ids] })
      }
      whole = await readFile(`${path}-wal`)
      await copyFile(path, join(folder, 'base.db'))
    }
    let state = 7
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % below
    }
    for (let round = 0; round < 60; round += 1) {
      const { size, ids } = acknowledged[random(acknowledged.length)]!
      // Anything may have become of the bytes after those that were waited for.
      const torn = Buffer.from(whole.subarray(0, size + random(whole.length - size + 1)))
      for (let at = size; at < torn.length; at += 1 + random(600)) torn[at] = random(256)
      const copy = join(folder, `cut-${round}.db`)
      await copyFile(join(folder, 'base.db'), copy)
      await writeFile(`${copy}-wal`, torn)
      using database = new DatabaseSync(copy)
      expect(database.prepare('PRAGMA quick_check').get()).toEqual({ quick_check: 'ok' })
      const rows = database.prepare('SELECT container_id AS id, ipv4 FROM attachment').all()
      const found = new Set(rows.map(({ id }) => id))
      const later = new Set(acknowledged.at(-1)!.ids)
      expect(ids.filter((id) => later.has(id) && !found.has(id))).toEqual([])
      expect(new Set(rows.map(({ ipv4 }) => ipv4)).size).toBe(rows.length)
    }
  }, 30_000)

  it('write() cannot commit one address twice, and other writes of the group stand', async () => {
    await using store = await AttachmentStore.open(join(folder, 's.db'))
    const results = await Promise.allSettled([
      store.write({ kind: 'insert', attachment: attachment('a', '10.0.0.2') }),
      store.write({ kind: 'insert', attachment: attachment('b', '10.0.0.2') }),
      store.write({ kind: 'insert', attachment: attachment('c', '10.0.0.3') }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})
