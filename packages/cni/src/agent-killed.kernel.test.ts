import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Allocator } from '@weft/allocator'
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { hasPrograms, TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { programs } from '@weft/plugin/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentProcess } from '../test/agent-process.ts'
import { eventually, hostLinks } from '../test/node-fixture.ts'

const missing = whyNoKernelTests() ?? whyNoPrograms('strace')
const [[, program]] = await programs()
/** Of the main thread and of the store's: everything by which an agent changes the world, and what the kernel answers. */
const calls = ['sendto', 'sendmsg', 'recvfrom', 'openat', 'write', 'pwrite64', 'fsync']

describe.skipIf(missing !== undefined)(skippable('an agent killed at each of its system calls', missing), () => {
  let agent: AgentProcess
  let pod: TestNamespace
  beforeAll(async () => {
    agent = await AgentProcess.create(program)
    pod = await TestNamespace.create()
  })
  afterAll(async () => {
    await pod[Symbol.asyncDispose]()
    await agent[Symbol.asyncDispose]()
  })

  const gone = (): Promise<void> => eventually('nothing is left', () => hostLinks(agent.node).length === 0 && pod.route.findLink('eth0') === undefined, 1000)

  /** What it does for a verb, in order: each call by name, and the how-manieth of that name on its thread. */
  async function stepsOf(verb: string): Promise<readonly (readonly [call: string, count: number])[]> {
    const trace = join(agent.folder, 'trace')
    const stop = await agent.trace(['-o', trace, '-e', `trace=${calls.join(',')}`])
    expect((await agent.call(verb, 'first', pod.path)).exitCode).toBe(0)
    if (verb === 'DEL') await gone()
    // What comes behind the answer too.
    await realClock.sleep(200)
    await stop()
    const counts = new Map<string, number>()
    return (await readFile(trace, 'utf8')).split('\n').flatMap((line) => {
      const [, thread, call] = /^(\d+)\s+(\w+)\(/.exec(line) ?? []
      if (call === undefined) return []
      const count = (counts.get(`${thread} ${call}`) ?? 0) + 1
      counts.set(`${thread} ${call}`, count)
      return [[call, count] as const]
    })
  }

  test('CNI-23, CNI-34, CNI-35 leaves nothing that the runtime\'s next call does not put right, at 30 points of ADD and DEL at least (faults 1, 2, P5)', async () => {
    // The first pod pays for code that was never run.
    expect((await agent.call('ADD', 'zero', pod.path)).exitCode).toBe(0)
    expect((await agent.call('DEL', 'zero', pod.path)).exitCode).toBe(0)
    await gone()
    const plan = [['ADD', await stepsOf('ADD')], ['DEL', await stepsOf('DEL')]] as const
    let killed = 0
    for (const [verb, steps] of plan) {
      for (const [call, count] of new Map(steps.map((step) => [step.join(), step])).values()) {
        const id = `${verb.toLowerCase()}-${call}-${count}`
        await agent.start()
        if (verb === 'DEL') expect((await agent.call('ADD', id, pod.path)).exitCode).toBe(0)
        const stop = await agent.trace(['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${count}`])
        const { exitCode, ms } = await agent.call(verb, id, pod.path)
        expect([id, ms < 5000]).toEqual([id, true])
        // What it does behind the answer may be where it dies.
        if (agent.alive) await Promise.race([agent.ended(), realClock.sleep(80)])
        await stop()
        if (agent.alive) await Promise.race([agent.ended(), realClock.sleep(50)])
        killed += Number(!agent.alive)
        await agent.start()
        if (verb === 'ADD') {
          // A runtime that was not told of a success comes again; one that was does not.
          const again = exitCode === 0 ? undefined : await agent.call('ADD', id, pod.path)
          expect([id, again?.exitCode ?? 0, again?.exitCode === 0 ? '' : again?.stdout ?? '']).toEqual([id, 0, ''])
          const reached = await pod.echoes('172.30.1.11')
          const seen = reached ? '' : [agent.node, pod].flatMap((place) => ['route', 'neigh', 'link'].map((what) => place.exec('ip', [what]))).join('\n')
          expect([id, exitCode, reached, seen]).toEqual([id, exitCode, true, ''])
          expect([id, (await agent.call('DEL', id, pod.path)).exitCode]).toEqual([id, 0])
        } else {
          // The shim spools what nobody answers.
          expect([id, exitCode]).toEqual([id, 0])
        }
        await gone()
      }
    }
    expect(killed).toBeGreaterThanOrEqual(30)
    await realClock.sleep(200)
    await agent.kill()
    await using addresses = await Allocator.open({ storePath: join(agent.folder, 'attachments.db'), logger: silentLogger, registry: createRegistry() })
    expect(addresses.attachments()).toEqual([])
    expect(agent.node.route.routes({ protocol: 87 })).toEqual([])
  }, 900_000)

  test('NET-26 a host port of SCTP opens no socket of SCTP, which is what has the kernel load sctp.ko', async () => {
    await agent.start()
    const trace = join(agent.folder, 'sockets')
    const stop = await agent.trace(['-o', trace, '-e', 'trace=socket,sendmsg,sendto'])
    expect((await agent.call('ADD', 'sctp', pod.path, { runtimeConfig: { portMappings: [{ hostPort: 5060, containerPort: 5060, protocol: 'sctp' }] } })).exitCode).toBe(0)
    await stop()
    const lines = (await readFile(trace, 'utf8')).split('\n')
    expect(lines.filter((line) => /\bsend(msg|to)\(/.test(line)).length).toBeGreaterThan(3)
    expect(lines.filter((line) => /\bsocket\(.*(SCTP|132|0x84)/.test(line))).toEqual([])
    if (hasPrograms('nft')) expect(agent.node.exec('nft', ['list', 'map', 'inet', 'weft-cni', 'hostport4'])).toContain('sctp . 5060 : ')
    expect((await agent.call('DEL', 'sctp', pod.path)).exitCode).toBe(0)
    await gone()
  })
})
