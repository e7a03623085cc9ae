import { checks, type CheckResult, runChecks } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

describe('the promises of the network on a real cluster', () => {
  let demo: DemoCluster
  let results: ReadonlyMap<string, CheckResult>

  beforeAll(async () => {
    demo = await openDemoCluster()
    results = new Map((await runChecks(demo.cluster, { signal: AbortSignal.timeout(180_000) })).map((result) => [result.name, result]))
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  for (const { name, promise } of checks) {
    test(`${name}: ${promise}`, ({ skip }) => {
      const result = results.get(name)
      skip(result?.tried === false, result?.evidence)
      expect(result?.ok, result?.evidence).toBe(true)
      console.log(`${name}: ${result?.evidence}`)
    })
  }
})
