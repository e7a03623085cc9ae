import { expect, test } from 'vitest'
import { checks, runChecks } from './run-checks.ts'
import type { Cluster } from './cluster.ts'

test('checks have names fit for scripts, each once', () => {
  const names = checks.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([])
  expect(names.length).toBeGreaterThanOrEqual(18)
})

test('V2 runChecks() tells of every promise even when nothing works', async () => {
  const cluster = { families: [4], nodes: [], outside: [], kube: { request: async () => { throw new Error('no API server') } } } as unknown as Cluster
  const results = await runChecks(cluster, { signal: AbortSignal.timeout(5000) })
  expect(results.map(({ name }) => name)).toEqual(checks.map(({ name }) => name))
  // Nobody can enter this cluster either, so one promise is not tried.
  expect(results.filter(({ tried }) => !tried).map(({ name }) => name)).toEqual(['agent-killed-under-load'])
  expect(results.every(({ ok, tried }) => ok !== tried)).toBe(true)
  expect(results[0]!.evidence).toBe('no API server')
})
