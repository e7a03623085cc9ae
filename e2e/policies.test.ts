import { afterAll, beforeAll, describe } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'
import { enforcesOn } from './suites/policies.ts'

describe('policies between real pods', () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  enforcesOn({ cluster: () => sandbox.cluster, restartMs: 30_000 })
})
