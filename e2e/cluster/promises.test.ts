import { checks, type CheckResult, type OpenCluster, runChecks } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDemoCluster } from './fixture.ts'

describe('the promises of the network on a real cluster', () => {
  let cluster: OpenCluster
  let results: ReadonlyMap<string, CheckResult>

  beforeAll(async () => {
    cluster = await openDemoCluster()
    results = new Map((await runChecks(cluster, { signal: AbortSignal.timeout(180_000) })).map((result) => [result.name, result]))
  }, 360_000)
  afterAll(async () => cluster[Symbol.asyncDispose]())

  for (const { name, promise } of checks) {
    test(`${name}: ${promise}`, ({ skip }) => {
      const result = results.get(name)
      skip(result?.tried === false, result?.evidence)
      expect(result?.ok, result?.evidence).toBe(true)
      console.log(`${name}: ${result?.evidence}`)
    })
  }
})
