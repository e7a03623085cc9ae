import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FakeKernel } from '../test/fake-kernel.ts'
import { randomFrom } from '../test/random.ts'
import { SimulatedNode } from '../test/simulated-node.ts'
import { linkIdentity } from './link-name.ts'

/** Some 20 ms each: 10,000 of them are a run of minutes, which a number in the environment asks for. */
const sequences = Number(process.env['WEFT_SEQUENCES'] ?? 500)
/** A sequence that failed is played again by its number. */
const firstSeed = Number(process.env['WEFT_FIRST_SEED'] ?? 0)
const steps = 10
const containers = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
/** Five addresses for seven containers: some ADDs find none. */
const range = '10.1.2.0/29'

let folder: string
beforeAll(async () => {
  // Spooled DELs wait for the disk; this one is memory.
  folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'weft-sequences-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What a runtime knows: containers it was told are attached, and those it must take away first. */
interface Runtime {
  readonly attached: Map<string, { readonly ips: readonly string[], readonly life: number }>
  readonly unsure: Set<string>
}

async function add(node: SimulatedNode, runtime: Runtime, id: string, random: (below: number) => number): Promise<void> {
  const portMappings = random(2) === 0 ? [] : [{ hostPort: 8000 + containers.indexOf(id), containerPort: 80, protocol: 'tcp' }]
  const reply = await node.call('ADD', id, { runtimeConfig: { portMappings } })
  if (reply?.code !== 0) {
    // 104: it has its interface already; 11: no address left, or a DEL of it waits.
    if (reply !== undefined && ![104, 11].includes(reply.code)) throw new Error(`ADD of ${id} is answered ${reply.code}: ${reply.message}`)
    if (!runtime.attached.has(id)) runtime.unsure.add(id)
    return
  }
  for (const [other, { ips }] of runtime.attached) if (ips.some((ip) => reply.ips.includes(ip))) throw new Error(`${reply.ips.join()} of ${other} is given to ${id} too`)
  if (runtime.attached.has(id)) throw new Error(`${id} is attached twice`)
  if (!node.kernel.linksAt(`/ns/${id}`).includes('eth0')) throw new Error(`${id} is answered without a link`)
  runtime.attached.set(id, { ips: reply.ips, life: node.life })
  runtime.unsure.delete(id)
}

async function del(node: SimulatedNode, runtime: Runtime, id: string): Promise<void> {
  const reply = await node.call('DEL', id)
  if (reply?.code !== 0) throw new Error(`DEL of ${id} is answered ${reply?.code}`)
  runtime.attached.delete(id)
  runtime.unsure.delete(id)
}

async function gc(node: SimulatedNode, runtime: Runtime): Promise<void> {
  await node.call('GC', 'x', { 'cni.dev/valid-attachments': [...runtime.attached.keys(), ...runtime.unsure].map((containerID) => ({ containerID, ifname: 'eth0' })) })
}

async function step(node: SimulatedNode, runtime: Runtime, random: (below: number) => number): Promise<void> {
  const id = containers[random(containers.length)]!
  // Any verb may be the one in which the agent dies.
  if (random(5) === 0) node.killAfter(1 + random(8))
  switch (random(10)) {
    case 0: case 1: case 2: case 3: case 4:
      // No runtime repeats an ADD that was answered; that it is refused is known for sure while the agent lives.
      if (runtime.unsure.has(id) || (runtime.attached.has(id) && runtime.attached.get(id)!.life !== node.life)) await del(node, runtime, id)
      await add(node, runtime, id, random)
      break
    case 5: case 6:
      await del(node, runtime, id)
      if (random(2) === 0) node.kernel.removeNamespace(`/ns/${id}`)
      break
    case 7:
      await gc(node, runtime)
      break
    case 8:
      node.kill()
      break
    default:
      // Several at once, as a kubelet that catches up.
      await Promise.all(containers.filter((each) => !runtime.attached.has(each) && !runtime.unsure.has(each)).slice(0, 3).map((each) => add(node, runtime, each, random)))
  }
  if (!node.alive && random(3) > 0) {
    // A power cut takes links too.
    if (random(4) === 0) {
      node.disk.powerCut(random(node.disk.unsynced + 1))
      for (const each of containers) node.kernel.removeNamespace(`/ns/${each}`)
      for (const each of runtime.attached.keys()) runtime.unsure.add(each)
      runtime.attached.clear()
    } else node.kill()
    await node.start()
  }
}

async function play(seed: number): Promise<void> {
  const random = randomFrom(seed)
  const node = new SimulatedNode(join(folder, String(seed)), range)
  const runtime: Runtime = { attached: new Map(), unsure: new Set() }
  await node.start()
  for (let count = 0; count < steps; count += 1) await step(node, runtime, random)
  // A runtime that comes to rest: what it is not sure of it takes away, and says what lives.
  node.kill()
  await node.start()
  for (const id of runtime.unsure) await del(node, runtime, id)
  await gc(node, runtime)
  await node.settle()
  const live = [...runtime.attached.keys()].toSorted()
  const records = node.allocator.attachments()
  const found = {
    store: records.map(({ containerId }) => containerId).toSorted(),
    addresses: new Set(records.flatMap(({ ips }) => ips.map(({ bits }) => bits))).size,
    nodeLinks: node.kernel.linksAt(FakeKernel.node),
    podLinks: containers.filter((id) => node.kernel.linksAt(`/ns/${id}`).length > 0),
    hostPorts: node.cni.dump().split('\n').filter((line) => line.startsWith('hostport')).map((line) => line.split('-> ')[1]!.split('/')[0]!).filter((id) => !live.includes(id)),
  }
  expect(found, `seed ${seed}`).toEqual({ store: live, addresses: live.length, nodeLinks: live.map((id) => linkIdentity(id, 'eth0').hostIfname).toSorted(), podLinks: live, hostPorts: [] })
  // No leak: as many more can be given as there is room.
  for (let left = 5 - live.length; left > 0; left -= 1) await (await node.allocator.allocate({ containerId: `rest${left}`, ifname: 'eth0', pod: { namespace: '', name: '', uid: undefined }, hostIfname: '', netns: '' })).committed
  node.kill()
}

it(`CNI-11, CNI-23, IPAM-15 ${sequences} random sequences of ADD, DEL, GC, crash, power cut and restart: no address twice, no leak after GC, store equals kernel`, async () => {
  const failed: string[] = []
  for (let seed = firstSeed; seed < firstSeed + sequences && failed.length < 5; seed += 1) await play(seed).catch((error: unknown) => failed.push(`seed ${seed}: ${String(error).slice(0, 600)}`))
  expect(failed).toEqual([])
}, 900_000 + sequences * 1000)
