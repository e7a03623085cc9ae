import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createRegistry } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { formatIp, parseCidr, parseIp } from '@weft/ip'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Allocator } from './allocator.ts'
import type { AllocateRequest } from './model.ts'
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
  return { containerId, ifname: 'eth0', pod: { namespace: 'default', name: containerId, uid: 'u' }, hostIfname: `weft${containerId}`, netns: `/run/netns/${containerId}`, ...rest }
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

  it('setRanges() refuses one bad range alone', async () => {
    await using allocator = await open('10.1.2.0/31', '10.1.4.0/24')
    expect(await allocate(allocator, 'a')).toEqual(['10.1.4.2'])
  })
})

describe('AttachmentStore', () => {
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

  it('open() refuses a file that is no database', async () => {
    await writeFile(join(folder, 's.db'), 'x'.repeat(5000))
    await expect(AttachmentStore.open(join(folder, 's.db'))).rejects.toThrow('file is not a database')
  })

  it('write() cannot commit one address twice, and other writes of the group stand', async () => {
    await using store = await AttachmentStore.open(join(folder, 's.db'))
    const attachment = (containerId: string, address: string) => ({ containerId, ifname: 'eth0', state: 'pending', namespace: '', name: '', uid: '', netns: '', hostIfname: '', data: '', addresses: [address] })
    const results = await Promise.allSettled([
      store.write({ kind: 'insert', attachment: attachment('a', '10.0.0.2') }),
      store.write({ kind: 'insert', attachment: attachment('b', '10.0.0.2') }),
      store.write({ kind: 'insert', attachment: attachment('c', '10.0.0.3') }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})
