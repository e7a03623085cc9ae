import { type ImageLock, lockPath, programs } from '@weft/image'
import { expect, test } from 'vitest'
import { read } from '../scripts/workspace.ts'

const lock = JSON.parse(read(lockPath)) as ImageLock

test.each(Object.entries(lock))('the image for %s has the Node that ./weft runs on, and the koffi that is tested', (_, { node, koffi }) => {
  expect(node.version).toBe(/^NODE_VERSION=(.*)$/m.exec(read('weft'))![1])
  expect(koffi.version).toBe(/^ {4}koffi: (.*)$/m.exec(read('pnpm-workspace.yaml'))![1])
})

test('both platforms have the same Debian packages', () => {
  const [amd64, arm64] = [lock['linux/amd64'], lock['linux/arm64']].map(({ debian }) => debian.map(({ name, version }) => `${name}=${version}`))
  expect(amd64).toEqual(arm64)
})

test('the image has every program that the manifests start, and every thread', () => {
  const manifests = ['weft', 'weft-proxy', 'weft-policy'].map((name) => read(`deploy/${name}.yaml`)).join('')
  const started = [...manifests.matchAll(/^ +- (weft-[\w-]+)$/gm)].map(([, name]) => name!)
  expect(started).toEqual(expect.arrayContaining(['weft-agent', 'weft-proxy', 'weft-policy']))
  expect(started.filter((name) => !Object.hasOwn(programs, name))).toEqual([])
})
