import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { skippable } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { isReady, mountsBelow, processesWith, sandboxImpossible, startTestSandbox, TestFolder } from '../../test/test-sandbox.ts'
import { childrenOf, identifyProcess, killProcess, waitUntilGone } from './process-identity.ts'
import { stateFolder } from './state-folder.ts'
import { readState } from './state-file.ts'
import { sandboxStatus } from './status.ts'
import { startSandbox } from './start.ts'
import { stopSandbox } from './stop.ts'

const impossible = sandboxImpossible()

function expectNothingLeft(folder: TestFolder): void {
  expect(processesWith(folder.path)).toEqual([])
  expect(mountsBelow(folder.path)).toEqual([])
  expect(readdirSync(`${folder.path}/state`)).toEqual(['logs'])
}

describe.skipIf(impossible !== undefined)(skippable('startSandbox()', impossible), () => {
  test('makes nodes Ready and leaves nothing when stopped, twice in a row (X1, X2)', async () => {
    using folder = new TestFolder()
    for (let round = 0; round < 2; round++) {
      const sandbox = await startTestSandbox(folder)
      const present = await sandboxStatus(`${folder.path}/state`)
      expect(present).toMatchObject({ kind: 'running', status: { ready: true, nodes: [{ name: 'n1', segment: 'a' }, { name: 'n2', segment: 'b' }] } })
      const { items } = await sandbox.api<{ items: { metadata: { name: string } }[] }>('GET', '/api/v1/nodes')
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['n1', 'n2'])
      expect(statSync(`${folder.path}/state`).mode & 0o777).toBe(0o700)
      for (const file of ['control.sock', 'kubeconfig', 'state.json']) expect(statSync(`${folder.path}/state/${file}`).mode & 0o777).toBe(0o600)
      const start = performance.now()
      expect(await stopSandbox(`${folder.path}/state`)).toBe(true)
      expect(performance.now() - start).toBeLessThan(1000)
      expectNothingLeft(folder)
      expect(await stopSandbox(`${folder.path}/state`)).toBe(false)
    }
  })

  test('refuses a folder that has one, and starts over a dead one (X3)', async () => {
    using folder = new TestFolder()
    const sandbox = await startTestSandbox(folder)
    await expect(startTestSandbox(folder)).rejects.toMatchObject({ code: 'ERR_SANDBOX_RUNNING' })
    const state = readState(stateFolder(`${folder.path}/state`))!
    expect(killProcess(state.unshare!)).toBe(true)
    expect(await waitUntilGone(state.init!, 2000)).toBe(true)
    expect(await sandboxStatus(`${folder.path}/state`)).toMatchObject({ kind: 'dead' })
    expect(mountsBelow(folder.path)).toEqual([])
    await using again = await startTestSandbox(folder)
    expect(again.handle.nodes).toEqual(['n1', 'n2'])
    expect(sandbox.handle.stateDir).toBe(again.handle.stateDir)
  })

  test('a cluster that died, or was stopped to be kept, goes on with its objects; pods start again as after a reboot (X15)', async () => {
    using folder = new TestFolder()
    const state = `${folder.path}/state`
    const first = await startTestSandbox(folder)
    const uid = async (sandbox: typeof first): Promise<string> => (await sandbox.api<{ metadata: { uid: string } }>('GET', '/api/v1/namespaces/default/configmaps/kept')).metadata.uid
    await first.api('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'kept' } })
    const kept = await uid(first)
    const container = { name: 'c', image: 'weft.dev/probe', args: ['pause'] }
    await first.createPod('steady', { containers: [container] })
    await first.createPod('once', { restartPolicy: 'Never', containers: [container] })
    const { metadata: { uid: podUid } } = await first.waitFor('steady', isReady)
    await first.waitFor('once', isReady)
    const { server } = first.handle

    const { unshare, init } = readState(stateFolder(state))!
    expect(killProcess(unshare!)).toBe(true)
    // Its namespace dies with it, a moment later; until then the folder is taken.
    for (const process of [unshare!, init!]) expect(await waitUntilGone(process, 5000)).toBe(true)
    await expect(startTestSandbox(folder, { nodes: 3 })).rejects.toMatchObject({ code: 'ERR_SANDBOX_KEPT' })
    const second = await startTestSandbox(folder)
    expect(second.handle).toMatchObject({ resumed: true, server })
    expect(await uid(second)).toBe(kept)
    const again = await second.waitFor('steady', isReady)
    expect(again.metadata.uid).toBe(podUid)
    expect(again.status.containerStatuses).toMatchObject([{ restartCount: 1 }])
    expect((await second.pod('once'))!.status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: { terminated: { reason: 'ContainerStatusUnknown' } } }] })

    expect(await stopSandbox(state, { keep: true })).toBe(true)
    expect(processesWith(folder.path)).toEqual([])
    expect(await sandboxStatus(state)).toEqual({ kind: 'kept' })
    const third = await startTestSandbox(folder)
    expect((await third.waitFor('steady', isReady)).status.containerStatuses).toMatchObject([{ restartCount: 2 }])
    await third.deletePod('once')
    await third.waitFor('once', (pod) => pod === undefined)
    expect(await stopSandbox(state)).toBe(true)
    expectNothingLeft(folder)
    expect(await sandboxStatus(state)).toEqual({ kind: 'none' })
  }, 120_000)

  test('stopSandbox() ends one that does not answer', async () => {
    using folder = new TestFolder()
    await startTestSandbox(folder)
    const state = readState(stateFolder(`${folder.path}/state`))!
    // Only this sandbox's: PID 1's child.
    for (const pid of childrenOf(state.init!.pid)) process.kill(pid, 'SIGSTOP')
    const start = performance.now()
    expect(await stopSandbox(`${folder.path}/state`)).toBe(true)
    expect(performance.now() - start).toBeLessThan(1000)
    expectNothingLeft(folder)
  })

  test('an abort on the way leaves nothing (X4)', async () => {
    using folder = new TestFolder()
    for (const afterMs of [30, 150, 400]) {
      const abort = new AbortController()
      const starting = startTestSandbox(folder, { signal: abort.signal })
      void sleep(afterMs).then(() => abort.abort(new Error('enough')))
      await expect(starting).rejects.toThrow('enough')
      expectNothingLeft(folder)
    }
  })

  test('the death of the launcher before readiness ends it (X4)', async () => {
    using folder = new TestFolder()
    const launcher = spawn(process.execPath, ['-C', 'dev', fileURLToPath(new URL('../../test/launcher.ts', import.meta.url)), folder.path], { stdio: ['ignore', 'pipe', 'inherit'] })
    // It reports progress while it starts; killed at the first line.
    await new Promise((resolve) => launcher.stdout.once('data', resolve))
    launcher.kill('SIGKILL')
    const deadline = performance.now() + 2000
    while (processesWith(folder.path).length > 0 && performance.now() < deadline) await sleep(10)
    expect(processesWith(folder.path)).toEqual([])
    expect(await sandboxStatus(`${folder.path}/state`)).toMatchObject({ kind: 'dead' })
    expect(await stopSandbox(`${folder.path}/state`)).toBe(false)
    expect(existsSync(`${folder.path}/state/state.json`)).toBe(false)
  })

  test('outlives its launcher when it is ready (X5)', async () => {
    using folder = new TestFolder()
    const launcher = spawn(process.execPath, ['-C', 'dev', fileURLToPath(new URL('../../test/launcher.ts', import.meta.url)), folder.path], { stdio: ['ignore', 'ignore', 'inherit'] })
    const code = await new Promise((resolve) => launcher.once('exit', resolve))
    expect(code).toBe(0)
    expect(await sandboxStatus(`${folder.path}/state`)).toMatchObject({ kind: 'running', status: { ready: true } })
    expect(await stopSandbox(`${folder.path}/state`)).toBe(true)
    expectNothingLeft(folder)
  })

  test('ends by itself when its state folder is removed', async () => {
    using folder = new TestFolder()
    await startTestSandbox(folder, { nodes: 1 })
    rmSync(`${folder.path}/state`, { recursive: true })
    const deadline = performance.now() + 5000
    while (processesWith(folder.path).length > 0 && performance.now() < deadline) await sleep(20)
    expect(processesWith(folder.path)).toEqual([])
  })

  test('identifyProcess() tells a process from a later one', () => {
    const own = identifyProcess(process.pid)!
    expect(own.pid).toBe(process.pid)
    expect(identifyProcess(2 ** 22 + 1)).toBeUndefined()
    expect(killProcess({ ...own, startTicks: own.startTicks + 1 })).toBe(false)
  })

  test('rejects a number of nodes it cannot address', async () => {
    using folder = new TestFolder()
    await expect(startSandbox({ stateDir: `${folder.path}/state`, nodes: 0 })).rejects.toMatchObject({ code: 'ERR_SANDBOX_TOPOLOGY' })
    await expect(startSandbox({ stateDir: `${folder.path}/${'x'.repeat(100)}` })).rejects.toMatchObject({ code: 'ERR_SANDBOX_STATE_FOLDER' })
  })
})
