import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { encodeReply } from './frame.ts'
import { leaveReason } from './reason.ts'
import { fakeAgent } from './testing/fake-agent.ts'
import { installPlugin, type InstalledPlugin, programs } from './testing/installed-plugin.ts'

const reason = whyNoKernelTests()
const config = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' })

// Each waits, none works: all at once.
describe.skipIf(reason !== undefined).each(await programs())(skippable('%s, the agent away', reason), { concurrent: true }, (_, program) => {
  /** Placed in a folder of its own, which goes with it. */
  async function placed(): Promise<InstalledPlugin & AsyncDisposable & { readonly folder: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-shim-'))
    return { ...await installPlugin(folder, program), folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
  }
  const ask = async (plugin: InstalledPlugin, command: string): Promise<{ readonly answer: Readonly<Record<string, unknown>>, readonly ms: number }> => {
    const { exitCode, stdout, ms } = await plugin.run({ environment: { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: '/proc/self/ns/net', CNI_COMMAND: command }, stdin: config })
    expect(exitCode).toBe(1)
    return { answer: JSON.parse(stdout), ms }
  }
  /** What starting the program takes on this machine, now; on a busy one that is most of any call. */
  const idleMs = async (plugin: InstalledPlugin): Promise<number> => {
    const runs = await Promise.all([1, 2, 3].map(() => plugin.run({ environment: { CNI_COMMAND: 'VERSION' } })))
    return 3 * Math.max(...runs.map(({ ms }) => ms))
  }

  test('CNI-9 STATUS is code 50 when the agent stays away for 15 s', { timeout: 60_000 }, async () => {
    await using plugin = await placed()
    const { answer, ms } = await ask(plugin, 'STATUS')
    expect(answer).toEqual({ cniVersion: '1.1.0', code: 50, msg: expect.stringContaining('does not answer') as unknown })
    expect(ms).toBeGreaterThan(14_900)
    // Kubelet asks every 5 s, and thinks that the runtime is dead when 30 s pass without an answer.
    expect(ms).toBeLessThan(20_000 + await idleMs(plugin))
  })

  test('CNI-39 STATUS and ADD say what the agent left word of, one line of any bytes', { timeout: 60_000 }, async () => {
    await using plugin = await placed()
    const why = 'no answer from https://192.0.2.1:6443 (connection refused); "quoted" \\ and more'
    await leaveReason(plugin.socketPath, why)
    const answers = await Promise.all(['STATUS', 'ADD'].map(async (command) => (await ask(plugin, command)).answer))
    expect(answers).toEqual([50, 11].map((code) => ({ cniVersion: '1.1.0', code, msg: `Cannot attach pods: ${why}` })))
  })

  test('a word too long is cut, and one taken back is not told', async () => {
    await using plugin = await placed()
    await leaveReason(plugin.socketPath, 'x'.repeat(5000))
    expect((await ask(plugin, 'GC')).answer).toMatchObject({ code: 11, msg: `Cannot attach pods: ${'x'.repeat(1000)}` })
    await leaveReason(plugin.socketPath, undefined)
    expect((await ask(plugin, 'GC')).answer).toMatchObject({ code: 11, msg: expect.stringContaining('does not answer') as unknown })
  })

  test('H8 an agent that restarts within 15 s is no news to STATUS, whatever word it left', async () => {
    await using plugin = await placed()
    await leaveReason(plugin.socketPath, 'Weft waits for pods')
    const asked = plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: config })
    await ask(plugin, 'GC')
    await using _ = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 0, stdout: '' }))
    expect((await asked).exitCode).toBe(0)
  })

  test('CNI-9 STATUS is code 50 at once where no agent has run since the machine started', async () => {
    await using plugin = await placed()
    await writeFile(`${plugin.path}.conf`, `socket=${join(plugin.folder, 'run', 'cni.sock')}\nspool=${plugin.spoolPath}\n`)
    const { answer, ms } = await ask(plugin, 'STATUS')
    expect(answer).toEqual({ cniVersion: '1.1.0', code: 50, msg: expect.stringContaining(join(plugin.folder, 'run', 'cni.sock')) as unknown })
    expect(ms).toBeLessThan(2000 + await idleMs(plugin))
  })

  test.each(['ADD', 'CHECK', 'GC'])('CNI-9 %s is code 11 within 2 s', async (command) => {
    await using plugin = await placed()
    const { answer, ms } = await ask(plugin, command)
    expect(answer).toMatchObject({ cniVersion: '1.1.0', code: 11 })
    expect(ms).toBeLessThan(2000 + await idleMs(plugin))
    expect(await readdir(plugin.folder)).not.toContain('spool')
  })
})
