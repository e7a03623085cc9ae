import type { OpenCluster } from '@weft/checks'
import { afterAll, beforeAll, describe } from 'vitest'
import { survivesFaults } from '../suites/faults.ts'
import { openDemoCluster } from './fixture.ts'

describe('what the network survives on a real cluster', () => {
  let cluster: OpenCluster

  beforeAll(async () => {
    cluster = await openDemoCluster()
  }, 180_000)
  afterAll(async () => cluster[Symbol.asyncDispose]())

  survivesFaults({ cluster: () => cluster, hasNft: true, restartMs: 110_000 })
})
