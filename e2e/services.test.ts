import { afterAll, beforeAll, describe } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'
import { servesOn } from './suites/services.ts'

describe('Services while the cluster changes', () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  servesOn({ cluster: () => sandbox.cluster, restartMs: 15_000 })
})
