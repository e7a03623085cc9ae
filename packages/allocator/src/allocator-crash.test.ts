import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRegistry } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { formatIp, parseCidr } from '@weft/ip'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Allocator } from './allocator.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-allocator-'))
})
afterEach(() => rm(folder, { recursive: true }))

function open(storePath: string): Promise<Allocator> {
  return Allocator.open({ storePath, logger: silentLogger, registry: createRegistry() })
}

/** Lines of the child until it is killed, after a number of milliseconds from its readiness. */
async function runAndKill(storePath: string, prefix: string, killAfterMs: number): Promise<readonly string[]> {
  const child: ChildProcess = spawn(process.execPath, ['-C', 'dev', new URL('../test/crash-child.ts', import.meta.url).pathname, storePath, prefix, String(killAfterMs * 7919)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const ended = new Promise((resolve) => child.once('close', resolve))
  const ready = Promise.withResolvers<void>()
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (line === 'ready') ready.resolve()
    else lines.push(line)
  })
  await Promise.race([ready.promise, ended])
  await sleep(killAfterMs)
  child.kill('SIGKILL')
  await ended
  return lines
}

describe('Allocator', () => {
  it('open() after SIGKILL finds every allocation that was durable, and no address twice (fault 13)', async () => {
    const storePath = join(folder, 'attachments.db')
    const held = new Map<string, string>()
    for (const [round, killAfterMs] of [3, 17, 40, 8, 61, 25].entries()) {
      const uncertain = new Set<string>()
      for (const line of await runAndKill(storePath, `r${round}`, killAfterMs)) {
        const [what, containerId = '', ...addresses] = line.split(' ')
        if (what === '+') held.set(containerId, addresses.join(' '))
        else if (what === '?') uncertain.add(containerId)
        else held.delete(containerId)
      }
      await using allocator = await open(storePath)
      const found = new Map(allocator.attachments().map(({ containerId, ips }) => [containerId, ips.map(formatIp).join(' ')]))
      const certain = [...held].filter(([containerId]) => !uncertain.has(containerId))
      expect(certain.map(([containerId]) => [containerId, found.get(containerId)])).toEqual(certain)
      const all = [...found.values()].flatMap((addresses) => addresses.split(' '))
      expect(new Set(all).size).toBe(all.length)
      // A commit that the child did not live to report counts all the same.
      held.clear()
      for (const [containerId, addresses] of found) held.set(containerId, addresses)
    }
    expect(held.size).toBeGreaterThan(0)
  }, 120_000)

  it('allocate(), release() and open() in any order agree with a model (IPAM-3, IPAM-15)', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('allocate' as const), id: fc.nat(12) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), id: fc.nat(12) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), id: fc.constant(0) }) },
    )
    let runs = 0
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const storePath = join(folder, `${runs += 1}.db`)
      // Eight addresses: 10.0.0.2 to 10.0.0.6 and 10.0.1.2 to 10.0.1.6 less the two that are never given.
      const order = ['0.2', '0.3', '0.4', '0.5', '0.6', '1.2', '1.3', '1.4', '1.5', '1.6'].map((end) => `10.0.${end}`)
      const model = new Map<number, string>()
      let cursor = -1
      const answers: (readonly [given: string | undefined, wanted: string | undefined])[] = []
      let allocator = await open(storePath)
      const ranges = ['10.0.0.0/29', '10.0.1.0/29'].map(parseCidr)
      allocator.setRanges(ranges)
      for (const { kind, id } of steps) {
        if (kind === 'reopen') {
          await allocator[Symbol.asyncDispose]()
          allocator = await open(storePath)
          allocator.setRanges(ranges)
        } else if (kind === 'release') {
          model.delete(id)
          await allocator.release({ containerId: `c${id}`, ifname: 'eth0' })
        } else {
          const used = new Set(model.values())
          const next = order.keys().map((index) => (cursor + 1 + index) % order.length).find((index) => !used.has(order[index]!))
          const given = await allocator.allocate({ containerId: `c${id}`, ifname: 'eth0', pod: { namespace: '', name: '', uid: undefined }, hostIfname: '', netns: '' })
            .then(async ({ addresses, committed }) => {
              await committed
              return formatIp(addresses[0]!)
            }, () => undefined)
          answers.push([given, model.has(id) || next === undefined ? undefined : order[next]])
          if (given !== undefined) {
            model.set(id, given)
            cursor = next!
          }
        }
        expect(Object.fromEntries(allocator.attachments().map(({ containerId, ips }) => [containerId, formatIp(ips[0]!)])))
          .toEqual(Object.fromEntries([...model].map(([key, address]) => [`c${key}`, address])))
      }
      await allocator[Symbol.asyncDispose]()
      expect(answers.map(([given]) => given)).toEqual(answers.map(([, wanted]) => wanted))
    }), { numRuns: 15 })
  }, 30_000)
})
