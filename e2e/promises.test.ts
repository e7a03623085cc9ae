import { checks, type CheckResult, runChecks } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mountsOf, processesOf, type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

describe.each(['ipv4', 'ipv6', 'dual'] as const)('the promises of the network, %s', (family) => {
  let sandbox: RunningSandbox
  let results: ReadonlyMap<string, CheckResult>

  beforeAll(async () => {
    sandbox = await startDemoSandbox(family)
    results = new Map((await runChecks(sandbox.cluster, { signal: AbortSignal.timeout(90_000) })).map((result) => [result.name, result]))
  }, 180_000)

  afterAll(async () => {
    const { stateDir } = sandbox.handle
    await sandbox[Symbol.asyncDispose]()
    expect(await processesOf(stateDir), 'processes left behind').toEqual([])
    expect(await mountsOf(stateDir), 'mounts left behind').toEqual([])
  })

  for (const { name, promise } of checks) {
    test(`${name}: ${promise}`, () => {
      const result = results.get(name)
      // Nothing may go untried here: three nodes have all that the proofs need.
      expect(result, result?.evidence).toMatchObject({ ok: true, tried: true })
      // Every family has its own evidence.
      if (family === 'dual' && name === 'agent-killed-under-load') expect(result!.evidence).toMatch(/requests to 10\..* fd00:/)
      if (family === 'dual' && !['default-deny-and-allow', 'agent-killed-under-load'].includes(name)) expect(result!.evidence.split('; ').length).toBeGreaterThanOrEqual(2)
    })
  }
})
