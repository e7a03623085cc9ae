import type { OpenCluster } from '@weft/checks'
import { afterAll, beforeAll, describe } from 'vitest'
import { servesOn } from '../suites/services.ts'
import { openDemoCluster } from './fixture.ts'

describe('Services while a real cluster changes', () => {
  let cluster: OpenCluster

  beforeAll(async () => {
    cluster = await openDemoCluster()
  }, 180_000)
  afterAll(async () => cluster[Symbol.asyncDispose]())

  servesOn({ cluster: () => cluster, restartMs: 110_000 })
})
