import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Deadlines, realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { closeFd, RouteSocket, UnixFdServer } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { installPlugin, type InstalledPlugin, programs, whyNoShim } from './testing/installed-plugin.ts'
import { type CallFrame, decodeCall, encodeReply } from './frame.ts'
import { leaveReason } from './reason.ts'

const reason = whyNoKernelTests()
const config = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' })
const ids = { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' }

interface Received {
  readonly call: CallFrame
  /** Names of the links the passed socket sees. */
  readonly links: readonly string[]
  readonly fds: number
}

/** An agent that notes what it gets and answers always the same. */
function fakeAgent(path: string, reply: Buffer | undefined): AsyncDisposable & { readonly received: readonly Received[] } {
  const server = UnixFdServer.listen({ path, deadlines: new Deadlines(realClock) })
  const received: Received[] = []
  const serving = (async () => {
    for await (const request of server) {
      const [socketFd, ...others] = request.fds
      let links: string[] = []
      if (socketFd !== undefined) {
        using route = RouteSocket.fromFd(socketFd)
        links = route.links().map(({ name }) => name)
      }
      for (const fd of others) closeFd(fd)
      received.push({ call: decodeCall(request.data), links, fds: request.fds.length })
      if (reply === undefined) void server[Symbol.asyncDispose]()
      else await request.reply(reply)
    }
  })()
  return { received, [Symbol.asyncDispose]: async () => {
    await server[Symbol.asyncDispose]()
    await serving
  } }
}

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

  /** What starting the program takes on this machine, now; on a busy one that is most of any call. */
  async function idleMs(): Promise<number> {
    const runs = await Promise.all([1, 2, 3].map(() => plugin.run({ environment: { CNI_COMMAND: 'VERSION' } })))
    return 3 * Math.max(...runs.map(({ ms }) => ms))
  }

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

  it.each(['ADD', 'CHECK', 'GC'])('CNI-9 %s without an agent is code 11 within 2 s', async (command) => {
    const { exitCode, stdout, ms } = await plugin.run({ environment: { ...ids, CNI_COMMAND: command, CNI_NETNS: pod.path }, stdin: config })
    expect([exitCode, errorOf(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 11 }])
    expect(ms).toBeLessThan(2000 + await idleMs())
    expect(await readdir(folder)).not.toContain('spool')
  })

  it('CNI-9 STATUS is code 50 at once where no agent has run since the machine started', async () => {
    await writeFile(`${plugin.path}.conf`, `socket=${join(folder, 'run', 'cni.sock')}\nspool=${plugin.spoolPath}\n`)
    const { exitCode, stdout, ms } = await plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: config })
    expect([exitCode, errorOf(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 50 }])
    expect(stdout).toContain(join(folder, 'run', 'cni.sock'))
    expect(ms).toBeLessThan(2000 + await idleMs())
  })

  it('CNI-9 STATUS is code 50 when the agent stays away for 15 s', async () => {
    const { exitCode, stdout, ms } = await plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: config })
    expect([exitCode, errorOf(stdout)]).toEqual([1, { cniVersion: '1.1.0', code: 50 }])
    expect(ms).toBeGreaterThan(14_900)
    // Kubelet asks every 5 s, and thinks that the runtime is dead when 30 s pass without an answer.
    expect(ms).toBeLessThan(20_000 + await idleMs())
  })

  it('H8 an agent that restarts within 15 s is no news to STATUS', async () => {
    const asked = plugin.run({ environment: { CNI_COMMAND: 'STATUS' }, stdin: config })
    await plugin.run({ environment: { ...ids, CNI_COMMAND: 'GC' }, stdin: config })
    await using _ = fakeAgent(plugin.socketPath, encodeReply({ exitCode: 0, stdout: '' }))
    expect((await asked).exitCode).toBe(0)
  })

  it('CNI-39 STATUS and ADD without an agent say what it left word of, one line of any bytes', async () => {
    const why = 'no answer from https://192.0.2.1:6443 (connection refused); "quoted" \\ and more'
    const asked = async (command: string): Promise<unknown> => JSON.parse((await plugin.run({ environment: { ...ids, CNI_COMMAND: command, CNI_NETNS: pod.path }, stdin: config })).stdout)
    await leaveReason(plugin.socketPath, why)
    expect(await Promise.all(['STATUS', 'ADD'].map(asked))).toEqual([50, 11].map((code) => ({ cniVersion: '1.1.0', code, msg: `Cannot attach pods: ${why}` })))
    await leaveReason(plugin.socketPath, 'x'.repeat(5000))
    expect(await asked('GC')).toMatchObject({ code: 11, msg: `Cannot attach pods: ${'x'.repeat(1000)}` })
    await leaveReason(plugin.socketPath, undefined)
    expect(await asked('GC')).toMatchObject({ code: 11, msg: expect.stringContaining('does not answer') as unknown })
  }, 60_000)

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
