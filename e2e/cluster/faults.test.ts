import { afterAll, beforeAll, describe } from 'vitest'
import { survivesFaults } from '../suites/faults.ts'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

describe('what the network survives on a real cluster', () => {
  let demo: DemoCluster

  beforeAll(async () => {
    demo = await openDemoCluster()
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  survivesFaults({ cluster: () => demo.cluster, hasNft: true, restartMs: 110_000 })
})
