import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { installPlugin, type InstalledPlugin, programs, whyNoShim } from './testing/installed-plugin.ts'
import { fakeAgent } from './testing/fake-agent.ts'
import { decodeCall, encodeReply } from './frame.ts'

const reason = whyNoKernelTests()
const config = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' })
const ids = { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' }

const noShim = await whyNoShim()

describe('shim', () => {
  it.skipIf(noShim !== undefined)(skippable('can be built', noShim), () => expect(noShim).toBeUndefined())
})

describe.skipIf(reason !== undefined).each(await programs())(skippable('%s', reason), (_, program) => {
  let folder: string
  let plugin: InstalledPlugin
  let pod: TestNamespace
  beforeAll(async () => {
    pod = await TestNamespace.create()
    TestNamespace.connect(pod, { name: 'inpod0' }, pod, { name: 'inpod1' })
  })
  afterAll(() => pod[Symbol.asyncDispose]())
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-shim-'))
    plugin = await installPlugin(folder, program)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const errorOf = (stdout: string): unknown => {
    const error: object = JSON.parse(stdout)
    return { ...error, msg: undefined }
  }

  it('VERSION needs neither agent nor stdin (CNI-3, CNI-41)', async () => {
    const { exitCode, stdout } = await plugin.run({ environment: { CNI_COMMAND: 'VERSION' } })
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, { cniVersion: '1.1.0', supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] }])
  })

  it('no command prints what this is, to stderr (CNI-2)', async () => {
    const output = await plugin.run({ environment: {} })
    expect(output).toMatchObject({ exitCode: 0, stdout: '', stderr: 'Weft CNI plugin; CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n' })
  })

  it('CNI-2, CNI-8 an unknown command is refused with code 4, on stdout', async () => {
    const { exitCode, stdout } = await plugin.run({ environment: { CNI_COMMAND: 'MO"VE' }, stdin: config })
    expect([exitCode, JSON.parse(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 4, msg: 'unknown CNI_COMMAND: MO"VE' }])
  })

  it('a configuration beyond all measure is refused with code 6', async () => {
    const { exitCode, stdout } = await plugin.run({ environment: { ...ids, CNI_COMMAND: 'GC' }, stdin: 'x'.repeat(2 << 20) })
    expect([exitCode, errorOf(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 6 }])
  })

  it('DEL without an agent is spooled, in order, and succeeds', async () => {
    for (const id of ['first', 'second', 'third']) {
      const { exitCode, stdout } = await plugin.run({ environment: { ...ids, CNI_COMMAND: 'DEL', CNI_CONTAINERID: id, CNI_ARGS: 'IgnoreUnknown=1' }, stdin: config })
      expect([exitCode, stdout]).toEqual([0, ''])
    }
    const files = (await readdir(plugin.spoolPath)).sort()
    expect(files.every((name) => /^\d{19}-\d+\.del$/.test(name))).toBe(true)
    const calls = await Promise.all(files.map(async (name) => decodeCall(await readFile(join(plugin.spoolPath, name)))))
    expect(calls.map(({ environment }) => environment.get('CNI_CONTAINERID'))).toEqual(['first', 'second', 'third'])
    expect(calls[0]!.stdin.toString()).toBe(config)
    expect([...calls[0]!.environment.keys()]).toEqual(['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_ARGS'])
  })

  it.each(['ADD', 'CHECK', 'DEL'])('%s passes its environment, stdin and a socket of the pod\'s namespace', async (command) => {
    await using agent = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 7, stdout: '{"answer": "of the agent"}\n' }))
    const environment = { ...ids, CNI_COMMAND: command, CNI_NETNS: pod.path, CNI_ARGS: 'K=V;X=ü', CNI_PATH: '/opt/cni/bin', OTHER: 'stays' }
    expect(await plugin.run({ environment, stdin: config })).toMatchObject({ exitCode: 7, stdout: '{"answer": "of the agent"}\n', stderr: '' })
    const { OTHER: _other, ...sent } = environment
    expect(Object.fromEntries(agent.received[0]!.call.environment)).toEqual(sent)
    expect(agent.received[0]).toMatchObject({ links: ['lo', 'inpod1', 'inpod0'], fds: 2 })
    expect(agent.received[0]!.call.stdin.toString()).toBe(config)
  })

  it('ADD says why the namespace could not be opened', async () => {
    await using agent = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 0, stdout: '' }))
    await plugin.run({ environment: { ...ids, CNI_COMMAND: 'ADD', CNI_NETNS: '/nowhere' }, stdin: config })
    await plugin.run({ environment: { ...ids, CNI_COMMAND: 'ADD', CNI_NETNS: '/etc/passwd' }, stdin: config })
    expect(agent.received.map(({ call, fds }) => [call.environment.get('WEFT_NETNS_ERROR')?.split(' ', 1)[0], fds])).toEqual([['2', 0], ['22', 0]])
  })

  it('STATUS and GC pass no descriptors', async () => {
    await using agent = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 0, stdout: '' }))
    for (const command of ['STATUS', 'GC']) expect((await plugin.run({ environment: { CNI_COMMAND: command, CNI_NETNS: pod.path }, stdin: config })).exitCode).toBe(0)
    expect(agent.received.map(({ fds }) => fds)).toEqual([0, 0])
  })

  it('an agent that dies without an answer is code 11 to ADD, and DEL is spooled (fault 2)', async () => {
    {
      await using _ = fakeAgent(plugin.socketPath, undefined)
      const { exitCode, stdout } = await plugin.run({ environment: { ...ids, CNI_COMMAND: 'ADD', CNI_NETNS: pod.path }, stdin: config })
      expect([exitCode, errorOf(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 11 }])
    }
    await using _ = fakeAgent(plugin.socketPath, undefined)
    expect((await plugin.run({ environment: { ...ids, CNI_COMMAND: 'DEL', CNI_NETNS: pod.path }, stdin: config })).exitCode).toBe(0)
    expect(await readdir(plugin.spoolPath)).toHaveLength(1)
  })

  it('an answer larger than a socket buffer arrives whole', async () => {
    const stdout = 'y'.repeat(600_000)
    await using _ = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 0, stdout }))
    expect((await plugin.run({ environment: { CNI_COMMAND: 'GC' }, stdin: `{"x":"${'z'.repeat(700_000)}"}` })).stdout === stdout).toBe(true)
  })
})
