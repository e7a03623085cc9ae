// Commits clusters one after the other until it is killed at a point that the test names. Argument: JSON of KillPoint.
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { objectKey, toEndpointSlice, toService } from '@weft/api'
import { formatIp, ipFromBits } from '@weft/ip'
import { NetlinkSocket } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { node, service, slice } from './cluster.ts'
import { running } from './running.ts'

/** Where a process dies. */
export interface KillPoint {
  /**
   * What it commits: `replace` starts with one cluster and then with another, one batch each; `grow` adds many Services and takes them away, in several
   * batches; `load` starts where there is no table, in several batches, too.
   */
  readonly work: 'replace' | 'grow' | 'load'
  /** Before a batch is sent, while the kernel works on it, before its answer is read, or after that. */
  readonly moment: 'before' | 'within' | 'sent' | 'after'
  /** Of which batch, counted from 1. */
  readonly batch: number
  /** How much of the time that a batch takes goes by, for `within`. */
  readonly part: number
}

/** A batch that replaces all their backends keeps the kernel busy for some milliseconds. */
const services = 40
const backends = 50
/** Enough for two batches that add them, and two that remove them. */
const extraServices = 500
const backendsOfExtra = 8

/** Services of many backends each; those of the second generation are others, and one more. */
export function generation(number: number): readonly object[] {
  const ips = Array.from({ length: backends + number }, (_, index) => `10.244.${1 + number}.${1 + index}`)
  return [node('here'), ...Array.from({ length: services }, (_, index) => [service(`many/s${index}`, [addressOf(index)]), slice(`many/s${index}`, ips)]).flat()]
}

/** More Services, of many backends each. */
export function extras(): readonly (readonly [service: object, slice: object])[] {
  return Array.from({ length: extraServices }, (_, index) => [service(`more/s${index}`, [addressOf(services + index)]), slice(`more/s${index}`, Array.from({ length: backendsOfExtra }, (_each, number) => `10.244.${10 + number}.5`))])
}

function addressOf(index: number): string {
  return formatIp(ipFromBits(4, 0x0a60_0000n + BigInt(index)))
}

async function commitUntilKilled({ work, moment, batch, part }: KillPoint): Promise<never> {
  const cells = new Int32Array(new SharedArrayBuffer(8))
  const killer = new Worker(join(import.meta.dirname, 'kill-soon.ts'), { workerData: cells })
  killer.on('error', (error) => { throw error })
  await Atomics.waitAsync(cells, 0, 0).value
  const socket = NetlinkSocket.openHere('netfilter')
  const send = socket.exchange.bind(socket)
  let isArmed = work === 'load'
  // What is only tried is no batch.
  let isCommit = false
  let count = 0
  /** Time that a batch keeps a processor busy, in microseconds: others may be in the way of this process. */
  let busyUs = 0
  socket.exchange = (bytes, sequences) => {
    if (!isCommit) return send(bytes, sequences)
    if (isArmed) count += 1
    const isLast = isArmed && count === batch
    if (isLast && moment === 'before') process.kill(process.pid, 'SIGKILL')
    if (isLast && moment === 'sent') {
      socket.sendRaw(bytes)
      process.kill(process.pid, 'SIGKILL')
    }
    if (isLast && moment === 'within') {
      cells[1] = Math.round(busyUs * part)
      writeSync(1, `sending ${bytes.length} bytes, which take ${busyUs} us`)
      Atomics.store(cells, 0, 2)
      Atomics.notify(cells, 0)
    }
    const before = process.threadCpuUsage()
    const answers = send(bytes, sequences)
    if (isLast && moment === 'within') writeSync(1, ', done')
    const { user, system } = process.threadCpuUsage(before)
    busyUs = user + system
    if (isLast && moment === 'after') process.kill(process.pid, 'SIGKILL')
    return answers
  }
  using nft = new NftSocket(socket)
  const commit = nft.commit.bind(nft)
  nft.commit = (transaction) => {
    isCommit = true
    commit(transaction)
    isCommit = false
  }
  if (work === 'grow') {
    await using run = await running(generation(0), { nft })
    const more = extras().map(([each, endpoints]) => ({ service: toService(each), slice: toEndpointSlice(endpoints) }))
    for (isArmed = true;;) {
      for (const each of more) {
        run.stores.services.put(each.service)
        run.stores.slices.put(each.slice)
      }
      await run.proxy.settled()
      for (const each of more) run.stores.services.remove(objectKey(each.service))
      for (const each of more) run.stores.slices.remove(objectKey(each.slice))
      await run.proxy.settled()
    }
  }
  for (let number = 0; ; number += 1) {
    // What the first start finds may be anything; the second is of full size, and tells how long one takes.
    if (number === 2) isArmed = true
    await using _run = await running(generation(number % 2), { nft })
  }
}

if (import.meta.main) {
  // Whoever is killed keeps nothing of what it compiled.
  flushCompileCache()
  await commitUntilKilled(JSON.parse(process.argv[2]!) as KillPoint)
}
