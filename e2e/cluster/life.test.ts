import { afterAll, beforeAll, describe } from 'vitest'
import { survivesApiServer } from '../suites/life/api-server-life.ts'
import { survivesNodes } from '../suites/life/nodes-life.ts'
import { carriesPods } from '../suites/life/pods-life.ts'
import { survivesPrograms } from '../suites/life/programs-life.ts'
import { type DemoCluster, openDemoCluster } from './fixture.ts'

/** Who repairs a control plane needs minutes. */
const awayMs = Number(process.env['WEFT_AWAY_SECONDS'] ?? 300) * 1000

describe('life on a real cluster', () => {
  let demo: DemoCluster

  beforeAll(async () => {
    demo = await openDemoCluster()
  }, 360_000)
  afterAll(async () => demo[Symbol.asyncDispose]())

  const options = { cluster: () => demo.cluster, machines: () => demo.machines }
  survivesPrograms(options)
  carriesPods(options)
  survivesNodes(options)
  survivesApiServer({ ...options, awayMs })
})
