import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SimulatedNode } from '../test/simulated-node.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-ports-'))
})
afterAll(() => rm(folder, { recursive: true }))

it('NET-32, C11 DEL takes away elements of its own pod, however many others there are', async () => {
  const node = new SimulatedNode(folder, '10.1.0.0/22')
  await node.start()
  for (let index = 0; index < 200; index += 1) {
    const reply = await node.call('ADD', `c${index}`, { runtimeConfig: { portMappings: [{ hostPort: 20_000 + index, containerPort: 80 }] } })
    expect(reply).toMatchObject({ code: 0, ips: [`10.1.${Math.trunc((index + 2) / 256)}.${(index + 2) % 256}/32`] })
  }
  const commits = node.nft.commits
  await node.call('DEL', 'c77')
  const lines = node.nft.log.at(-1)!.trim().split('\n')
  expect([node.nft.commits - commits, lines.length, lines.every((line) => line.startsWith('delete element') && (line.includes('20077') || line.includes('10.1.0.79')))], lines.join('\n')).toEqual([1, 3, true])
  node.kill()
})
