import { afterAll, beforeAll, describe } from 'vitest'
import { enforcesOn } from '../suites/policies.ts'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

describe('policies between pods of a real cluster', () => {
  let demo: DemoCluster

  beforeAll(async () => {
    demo = await openDemoCluster()
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  enforcesOn({ cluster: () => demo.cluster, restartMs: 110_000 })
})
