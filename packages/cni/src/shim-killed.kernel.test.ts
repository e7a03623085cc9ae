import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { programs, whyNoShim } from '@weft/plugin/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNode, eventually, hostLinks, networkConfig, type NodeFixture } from '../test/node-fixture.ts'

const [[, program]] = await programs()
const noStrace = whyNoKernelTests() ?? await whyNoShim() ?? whyNoPrograms('strace')

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
