import { toPod } from '@weft/api'
import { ManualClock } from '@weft/daemon/testing'
import { expect, test } from 'vitest'
import { pod } from '../test/cluster.ts'
import { WatchLag } from './watch-lag.ts'

const never = new AbortController().signal

function young(name: string, resourceVersion: number): ReturnType<typeof toPod> {
  const object = pod(`x/${name}`, {}) as { readonly metadata: object }
  return toPod({ ...object, metadata: { ...object.metadata, uid: name, resourceVersion: String(resourceVersion) }, status: {} })
}

test('a pod alone is asked for at once; many that come in a second are asked for together, ten times and not each', async () => {
  const clock = new ManualClock()
  const asked: number[] = []
  let version = 1
  const lag = new WatchLag({ clock, lagMs: 10_000, catchUp: async () => {
    asked.push(clock.now())
    const answer = String(version)
    await clock.sleep(20)
    return answer
  } })
  const pods = []
  for (; version <= 100; version++) {
    const next = young(`p${version}`, version)
    lag.see(next, never)
    pods.push(next)
    await clock.advance(10)
  }
  let covered = 0
  for (const each of pods) void lag.awaitOlderPolicies(each, never).then(() => { covered += 1 })
  await clock.advance(200)
  expect(covered).toBe(100)
  expect(asked[0]).toBe(0)
  expect(asked.length).toBeLessThanOrEqual(11)
})
