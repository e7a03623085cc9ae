import { afterAll, beforeAll, describe } from 'vitest'
import { servesOn } from '../suites/services.ts'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

describe('Services while a real cluster changes', () => {
  let demo: DemoCluster

  beforeAll(async () => {
    demo = await openDemoCluster()
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  servesOn({ cluster: () => demo.cluster, restartMs: 110_000 })
})
