import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Allocator } from '@weft/allocator'
import { createRegistry } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { readSysctls } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AgentProcess } from '../test/agent-process.ts'
import { eventually, hostLinks } from '../test/node-fixture.ts'
import { programs } from '@weft/plugin/testing'

const [[, program]] = await programs()

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('an agent in a process of its own', reason), () => {
  let agent: AgentProcess
  let node: TestNamespace

  beforeEach(async () => {
    agent = await AgentProcess.create(program)
    ;({ node } = agent)
  })
  afterEach(() => agent[Symbol.asyncDispose]())

  it('has no right but NET_ADMIN (C12)', () => {
    expect(/^CapEff:\s*(\w+)$/m.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1]).toBe('0000000000001000')
  })

  it('refuses sysctls of pods, which it has no right to enter, and says so', async () => {
    await using pod = await TestNamespace.create()
    const { exitCode, stdout } = await agent.call('ADD', 'a', pod.path, { sysctl: { 'net.core.somaxconn': '777' } })
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 105, msg: expect.stringContaining('the agent needs CAP_SYS_ADMIN') as unknown }])
  })

  it('wires pods whose host end heeds no router and no redirect (CVE-2020-10749), and sends none', async () => {
    await using pod = await TestNamespace.create()
    expect(await agent.call('ADD', 'a', pod.path)).toMatchObject({ exitCode: 0 })
    const [link] = hostLinks(node)
    const names = [`net.ipv6.conf.${link}.accept_ra`, `net.ipv6.conf.${link}.accept_redirects`, `net.ipv4.conf.${link}.accept_redirects`, `net.ipv4.conf.${link}.send_redirects`, `net.ipv6.conf.${link}.addr_gen_mode`]
    expect(Object.values(await readSysctls(node.path, names))).toEqual(['0', '0', '0', '0', '1'])
    expect(node.route.addresses({ ifIndex: node.route.link(link!).index })).toEqual([])
  })

  it('killed at any moment of ADD or DEL leaves nothing behind once the runtime repeats (faults 1, 2, P5)', async () => {
    const pods = await Promise.all(Array.from({ length: 4 }, () => TestNamespace.create()))
    let interrupted = 0
    // From before the first system call of a burst to after its last answer.
    for (const [round, afterMs] of [1, 4, 8, 13, 22].entries()) {
      const ids = pods.map((_, index) => `r${round}-${index}`)
      const adding = Promise.all(pods.map((pod, index) => agent.call('ADD', ids[index]!, pod.path)))
      await sleep(afterMs)
      await agent.kill()
      const first = await adding
      expect(first.map(({ ms }) => ms < 2500)).toEqual([true, true, true, true])
      interrupted += first.filter(({ exitCode }) => exitCode !== 0).length
      await agent.start()
      // A runtime that was not told of a success comes again; one that was does not.
      const again = await Promise.all(pods.map(async (pod, index) => first[index]!.exitCode === 0 ? first[index]! : await agent.call('ADD', ids[index]!, pod.path)))
      expect(again.map(({ exitCode, stdout }) => exitCode === 0 ? '' : stdout)).toEqual(['', '', '', ''])
      for (const pod of pods) expect(await pod.echoes('172.30.1.11')).toBe(true)
      const deleting = Promise.all(pods.map((pod, index) => agent.call('DEL', ids[index]!, pod.path)))
      await sleep(afterMs)
      await agent.kill()
      expect((await deleting).map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0])
      await agent.start()
      await eventually('links go', () => hostLinks(node).length === 0)
    }
    expect(interrupted).toBeGreaterThan(0)
    for (const pod of pods) await pod[Symbol.asyncDispose]()
    await sleep(100)
    await agent.kill()
    await using addresses = await Allocator.open({ storePath: join(agent.folder, 'attachments.db'), logger: silentLogger, registry: createRegistry() })
    expect(addresses.attachments()).toEqual([])
    expect(node.route.routes({ protocol: 87 })).toEqual([])
  }, 120_000)
})
