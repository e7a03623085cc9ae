import { join } from 'node:path'
import { Allocator } from '@weft/allocator'
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { formatIp } from '@weft/ip'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { programs } from '@weft/plugin/testing'
import { describe, expect, it } from 'vitest'
import { AgentProcess } from '../test/agent-process.ts'
import { eventually, hostLinks } from '../test/node-fixture.ts'
import { randomFrom } from '../test/random.ts'
import { linkIdentity } from './link-name.ts'

const reason = whyNoKernelTests()
const [[, program]] = await programs()
const containers = ['a', 'b', 'c', 'd']

// random-sequences.test.ts has the many, on a kernel in memory; these are to see that this one does the same.
describe.skipIf(reason !== undefined)(skippable('random sequences on the real kernel', reason), () => {
  it.each([1, 2, 3])('CNI-11, CNI-23, IPAM-15 seed %i: ADD, DEL, GC, SIGKILL and restart; no address twice, no leak after GC, store equals kernel', async (seed) => {
    const random = randomFrom(seed)
    await using agent = await AgentProcess.create(program)
    const pods = new Map(await Promise.all(containers.map(async (id) => [id, await TestNamespace.create()] as const)))
    await using _pods = { [Symbol.asyncDispose]: async () => void await Promise.all([...pods.values()].map((pod) => pod[Symbol.asyncDispose]())) }
    const attached = new Map<string, readonly string[]>()
    const unsure = new Set<string>()

    const add = async (id: string): Promise<void> => {
      const { exitCode, stdout } = await agent.call('ADD', id, pods.get(id)!.path)
      if (exitCode !== 0) return void unsure.add(id)
      const { ips }: { readonly ips: readonly { readonly address: string }[] } = JSON.parse(stdout)
      const mine = ips.map(({ address }) => address)
      expect([...attached.values()].flat().filter((ip) => mine.includes(ip))).toEqual([])
      attached.set(id, mine)
    }
    const del = async (id: string): Promise<void> => {
      expect((await agent.call('DEL', id, pods.get(id)!.path)).exitCode).toBe(0)
      attached.delete(id)
      unsure.delete(id)
    }
    const gc = async (): Promise<void> => void await agent.call('GC', 'x', '', { 'cni.dev/valid-attachments': [...attached.keys(), ...unsure].map((containerID) => ({ containerID, ifname: 'eth0' })) })

    for (let step = 0; step < 14; step += 1) {
      const id = containers[random(containers.length)]!
      const dies = random(4) === 0
      const killing = dies ? realClock.sleep(random(12)).then(() => agent.kill()) : Promise.resolve()
      switch (random(6)) {
        case 0: case 1: case 2:
          if (unsure.has(id) || attached.has(id)) await del(id)
          await add(id)
          break
        case 3:
          await del(id)
          break
        case 4:
          await gc()
          break
        default:
          await Promise.all(containers.filter((each) => !attached.has(each) && !unsure.has(each)).map(add))
      }
      await killing
      if (dies) await agent.start()
    }
    for (const id of unsure) await del(id)
    await gc()
    const live = [...attached.keys()].toSorted()
    const links = live.map((id) => linkIdentity(id, 'eth0').hostIfname).toSorted()
    await eventually('only what is attached is left', () => hostLinks(agent.node).join() === links.join(), 1000)
    expect(containers.filter((id) => pods.get(id)!.route.findLink('eth0') !== undefined)).toEqual(live)
    for (const id of live) expect([id, await pods.get(id)!.echoes('172.30.1.11')]).toEqual([id, true])
    // Addresses follow their links.
    await realClock.sleep(300)
    await agent.kill()
    await using store = await Allocator.open({ storePath: join(agent.folder, 'attachments.db'), logger: silentLogger, registry: createRegistry() })
    const rows = store.attachments().filter(({ state }) => state !== 'releasing').map(({ containerId, ips }) => [containerId, ips.map((ip) => `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`)] as const)
    expect(new Map(rows)).toEqual(attached)
    expect(agent.node.route.routes({ family: 4, protocol: 87 })).toHaveLength(live.length)
  }, 180_000)
})
