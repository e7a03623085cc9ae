import type { OpenCluster } from '@weft/checks'
import { afterAll, beforeAll, describe } from 'vitest'
import { livesOn } from '../suites/life.ts'
import { openDemoCluster } from './fixture.ts'

describe('life on a real cluster', () => {
  let cluster: OpenCluster

  beforeAll(async () => {
    cluster = await openDemoCluster()
  }, 180_000)
  afterAll(async () => cluster[Symbol.asyncDispose]())

  livesOn({ cluster: () => cluster })
})
