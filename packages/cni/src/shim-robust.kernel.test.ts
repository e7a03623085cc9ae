import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNode, eventually, hostLinks, networkConfig, type NodeFixture } from '../test/node-fixture.ts'
import { programs, whyNoShim } from '../test/plugin.ts'

const [[, program]] = await programs()
const noShim = whyNoKernelTests() ?? await whyNoShim()
const noStrace = noShim ?? whyNoPrograms('strace')
const noValgrind = noShim ?? whyNoPrograms('valgrind')
const run = promisify(execFile)

describe.skipIf(noShim !== undefined)(skippable('the shim', noShim), () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-shim-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('is a position-independent program without interpreter, executable stack or set-uid', async () => {
    const elf = await readFile(program.kind === 'binary' ? program.path : '')
    const [type, headers, size, count] = [elf.readUInt16LE(16), Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
    const segments = Array.from({ length: count }, (_, index) => ({ type: elf.readUInt32LE(headers + index * size), flags: elf.readUInt32LE(headers + index * size + 4) }))
    const [PT_LOAD, PT_INTERP, PT_GNU_STACK, ET_DYN, W, X] = [1, 3, 0x6474_e551, 3, 2, 1]
    expect(type).toBe(ET_DYN)
    expect(segments.some((segment) => segment.type === PT_INTERP)).toBe(false)
    expect(segments.find((segment) => segment.type === PT_GNU_STACK)!.flags & X).toBe(0)
    expect(segments.filter((segment) => segment.type === PT_LOAD && (segment.flags & W) !== 0 && (segment.flags & X) !== 0)).toEqual([])
    expect(elf.length).toBeLessThan(64 * 1024)
  })

  test.skipIf(noValgrind !== undefined)(skippable('touches no memory that is not its own', noValgrind), () => {
    const ids = { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' }
    const calls: readonly (readonly [environment: Readonly<Record<string, string>>, stdin: string, code: number])[] = [
      [{}, '', 0],
      [{ CNI_COMMAND: 'VERSION' }, '', 0],
      [{ CNI_COMMAND: 'MO"VE\n' }, '', 1],
      [{ ...ids, CNI_COMMAND: 'ADD', CNI_NETNS: '/nowhere', CNI_ARGS: 'A=1;'.repeat(2000) }, networkConfig(), 1],
      [{ ...ids, CNI_COMMAND: 'STATUS', CNI_ARGS: 'A=1;'.repeat(20_000) }, networkConfig(), 1],
      [{ ...ids, CNI_COMMAND: 'GC' }, 'x'.repeat(2 << 20), 1],
      [{ ...ids, CNI_COMMAND: 'DEL', CNI_NETNS: '/etc/passwd' }, networkConfig(), 1],
    ]
    for (const [environment, input, code] of calls) {
      const { status, stderr } = spawnSync('valgrind', ['-q', '--error-exitcode=99', program.kind === 'binary' ? program.path : ''], { env: { PATH: process.env['PATH'], ...environment }, input, encoding: 'utf8' })
      expect([environment['CNI_COMMAND'], status, environment['CNI_COMMAND'] === undefined ? '' : stderr]).toEqual([environment['CNI_COMMAND'], code, ''])
    }
  }, 120_000)

  test('20,000 mutations of settings, answers, environment and errors find no fault', async () => {
    const fuzz = join(folder, 'fuzz')
    await run('cc', ['-std=gnu17', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-DWEFT_CNI_FUZZ', '-DOWN_LOOP', '-o', fuzz, new URL('../shim/fuzz.c', import.meta.url).pathname])
    for (const seed of ['1', '2']) {
      const { status, stderr } = spawnSync(fuzz, [seed, '10000'], { encoding: 'utf8', maxBuffer: 64 << 20 })
      expect([status, stderr]).toEqual([0, '10000 rounds\n'])
    }
  }, 120_000)
})

describe.skipIf(noStrace !== undefined)(skippable('killed at each of its system calls', noStrace), () => {
  let node: NodeFixture
  let pod: TestNamespace
  beforeAll(async () => {
    node = await createNode(program)
    await node.start()
    pod = await TestNamespace.create()
  })
  afterAll(async () => {
    await pod[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  async function traced(command: string, containerId: string, options: readonly string[]): Promise<{ readonly signal: NodeJS.Signals | null, readonly status: number | null }> {
    const env = { PATH: process.env['PATH'], CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: pod.path, CNI_IFNAME: 'eth0', CNI_ARGS: 'IgnoreUnknown=1' }
    const child = spawn('nsenter', [`--net=${node.namespace.path}`, 'strace', '-qq', ...options, node.plugin.path], { env, stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin.on('error', () => undefined).end(networkConfig())
    return await new Promise((resolve) => child.once('close', (status, signal) => resolve({ signal, status })))
  }

  /** Its system calls in order, each as a name and the how-manieth of that name: what strace can stop at. */
  async function stepsOf(command: string, containerId: string): Promise<readonly (readonly [call: string, count: number])[]> {
    const trace = join(node.folder, 'trace')
    expect((await traced(command, containerId, ['-o', trace])).status).toBe(0)
    const counts = new Map<string, number>()
    return (await readFile(trace, 'utf8')).split('\n').flatMap((line) => {
      const call = /^(\w+)\(/.exec(line)?.[1]
      // The one that starts it is strace's own.
      if (call === undefined || call === 'execve') return []
      counts.set(call, (counts.get(call) ?? 0) + 1)
      return [[call, counts.get(call)!] as const]
    })
  }

  const reset = async (containerId: string): Promise<void> => {
    expect((await node.call('DEL', { containerId, netns: pod.path })).exitCode).toBe(0)
    await eventually('nothing is left', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0 && pod.route.findLink('eth0') === undefined)
  }

  test('CNI-34, CNI-35 the shim leaves nothing that a repeated DEL does not take away, and a repeated ADD works (fault 1)', async () => {
    let killed = 0
    const ADD = await stepsOf('ADD', 'first')
    const DEL = await stepsOf('DEL', 'first')
    for (const [verb, steps] of [['ADD', ADD], ['DEL', DEL]] as const) {
      for (const [index, [call, count]] of steps.entries()) {
        const containerId = `${verb.toLowerCase()}${index}`
        if (verb === 'DEL') expect((await node.call('ADD', { containerId, netns: pod.path })).exitCode).toBe(0)
        const { signal, status } = await traced(verb, containerId, ['-o', '/dev/null', '-e', `inject=${call}:signal=KILL:when=${count}`])
        killed += Number(signal === 'SIGKILL' || status === 137)
        // A runtime that was not answered takes the attachment away and, after ADD, tries again.
        await reset(containerId)
        if (verb === 'DEL') continue
        const { exitCode, stdout } = await node.call('ADD', { containerId, netns: pod.path })
        expect([call, exitCode, exitCode === 0 ? '' : stdout]).toEqual([call, 0, ''])
        await reset(containerId)
      }
    }
    expect(killed).toBeGreaterThanOrEqual(30)
    expect(node.namespace.route.routes({ protocol: 87 })).toEqual([])
    expect(node.cni.dump()).toBe('')
  }, 240_000)
})
