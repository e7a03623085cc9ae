import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { skippable } from '@weft/daemon/testing'
import { expect, test } from 'vitest'
import { isReady, sandboxImpossible, startTestSandbox, TestFolder } from '../../test/test-sandbox.ts'

interface EventList {
  readonly items: readonly { readonly involvedObject: { readonly kind: string, readonly name: string, readonly uid: string }, readonly type: string, readonly reason: string, readonly message: string, readonly count: number }[]
}

const impossible = sandboxImpossible()

test.skipIf(impossible !== undefined)(skippable('Events tell why a pod does not run', impossible), async () => {
  using folder = new TestFolder()
  await using sandbox = await startTestSandbox(folder, { nodes: 1 })
  writeFileSync(sandbox.refuseFile, '')
  await sandbox.createPod('refused', { containers: [{ name: 'main', image: 'any', command: ['sleep', '1000'] }] })
  const event = async (name: string, reason: string): Promise<EventList['items'][number]> => {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { items } = await sandbox.api<EventList>('GET', '/api/v1/namespaces/default/events')
      const found = items.find((item) => item.involvedObject.name === name && item.reason === reason)
      if (found !== undefined) return found
      await sleep(50)
    }
    throw new Error(`no Event ${reason} about ${name}`)
  }
  expect(await event('refused', 'FailedCreatePodSandBox')).toMatchObject({ type: 'Warning', message: expect.stringContaining('told to refuse'), involvedObject: { kind: 'Pod' } })
  rmSync(sandbox.refuseFile)
  const { metadata: { uid } } = await sandbox.waitFor('refused', isReady, 15_000)
  expect((await event('refused', 'FailedCreatePodSandBox')).involvedObject.uid).toBe(uid)
  await sandbox.createPod('image', { containers: [{ name: 'main', image: 'nginx:1' }] })
  expect((await event('image', 'ErrImageNeverPull')).message).toContain('nginx:1')
  await sandbox.createPod('crash', { containers: [{ name: 'main', image: 'any', command: ['false'] }] })
  expect((await event('crash', 'BackOff')).message).toBe('Back-off restarting failed container main')
})
