import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { ifIndexFrom } from '@weft/ip'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeCapabilities } from './capabilities.ts'
import { decodeMessages } from './message.ts'
import { NLM_F_ACK } from './netlink-protocol.ts'
import { requests } from './requests.ts'
import { NetlinkSocket } from './socket.ts'
import { recordedRequests } from './testing/recorded-requests.ts'
import { recordedTables } from './testing/recorded-tables.ts'
import { type Recording, ask, fromHex, messagesOf, readRecording, toHex, writeRecording } from './testing/recording.ts'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from './testing/index.ts'

/**
 * What this kernel sends is what the programs print of it. With `GOLDEN=write` it becomes the recordings
 * that the unit tests read: `GOLDEN=write unshare -Urnm --propagation private node_modules/.bin/vitest run --project kernel packages/netlink/src/recorded`.
 */
const isRecording = process.env['GOLDEN'] === 'write'

const noNetwork = whyNoKernelTests() ?? whyNoPrograms('ip', 'bridge', 'tc', 'sysctl') ?? whyOtherPrints() ?? await whyNoFeatures('veth', 'bridge', 'vxlan', 'tbf')
const scripts = [
  { setup: 'network.sh', missing: noNetwork },
  { setup: 'flows.sh', missing: whyNoKernelTests() ?? whyNoPrograms('ip', 'conntrack', 'nft', 'socat', 'sysctl') },
] as const

function iproute2(): string | undefined {
  return /iproute2-(\d+\.\d+)/.exec(execFileSync('ip', ['-V'], { encoding: 'utf8' }))?.[1]
}

/** What `ip -j` prints changes a little from version to version; what is read of it is of the one that was recorded. */
function whyOtherPrints(): string | undefined {
  const [here, recorded] = [iproute2(), readRecording('links').iproute2]
  return isRecording || here === recorded ? undefined : `Needs iproute2 ${recorded}, this is ${here ?? 'another'}`
}

async function whyNoFeatures(...names: readonly string[]): Promise<string | undefined> {
  const absent = (await probeCapabilities()).filter(({ name, present }) => names.includes(name) && present !== true).map(({ name }) => name)
  return absent.length === 0 ? undefined : `the kernel has no ${absent.join(' and ')}`
}

for (const { setup, missing } of scripts) {
  describe.skipIf(missing !== undefined)(skippable(`the kernel after ${setup}`, missing), () => {
    let ns: TestNamespace
    let links: Record<string, number>

    beforeAll(async () => {
      ns = await TestNamespace.create()
      ns.exec('sh', [], readFileSync(new URL(`../test/recorded/${setup}`, import.meta.url), 'utf8'))
      links = Object.fromEntries(ns.route.links().map(({ name, index }) => [name, index]))
    })

    afterAll(() => ns[Symbol.asyncDispose]())

    // A second may pass between the two looks, and flows tell how many they have left.
    it.each(recordedTables.filter((table) => table.setup === setup))('$name are what `$program` prints', { retry: 2 }, async ({ name, request, decode, program, said }) => {
      using socket = await NetlinkSocket.open(setup === 'flows.sh' ? 'netfilter' : 'route', { netns: ns.path })
      const datagrams = ask(socket, request)
      const [command, ...args] = program.split(' ')
      const printed = ns.exec(command!, args)
      const says: unknown[] = args.includes('-j') ? JSON.parse(printed) : printed.trim().split('\n')
      const recording: Omit<Recording, 'kernel' | 'iproute2'> = { setup, program, says: says.filter((one) => Object.keys(one as object).length > 0), links, datagrams }
      expect(messagesOf(recording).map(decode)).toMatchObject(said(recording.says, links))
      if (isRecording) writeRecording(name, setup === 'network.sh' ? { iproute2: iproute2(), ...recording } : recording)
    })
  })
}

const missing = noNetwork ?? whyNoPrograms('strace')

describe.skipIf(missing !== undefined)(skippable('requests after network.sh', missing), () => {
  let ns: TestNamespace

  beforeAll(async () => {
    ns = await TestNamespace.create()
    ns.exec('sh', [], readFileSync(new URL('../test/recorded/network.sh', import.meta.url), 'utf8'))
  })

  afterAll(() => ns[Symbol.asyncDispose]())

  it('say what the programs say', () => {
    const recorded = recordedRequests.map(({ command, ours }) => ({ command, bytes: toHex(sentBy(ns, command, ours.type)) }))
    for (const [at, { ours, meaning }] of recordedRequests.entries()) {
      const [theirs] = decodeMessages(fromHex(recorded[at]!.bytes))
      expect(meaning(ours.payload), recorded[at]!.command).toEqual(meaning(theirs!.payload))
    }
    if (isRecording) writeRecording('requests', { setup: 'network.sh', program: 'strace -e trace=sendmsg -e write=all', requests: recorded })
  })

  it('are refused in the words that the programs print', () => {
    const command = 'ip link set dev v0 mtu 10'
    const says = exitOf(ns, command)
    const datagrams = ask(ns.route.socket, requests.setLink(ifIndexFrom(10), { mtu: 10 }), NLM_F_ACK)
    expect(says).toBe('Error: mtu less than device minimum.')
    if (isRecording) writeRecording('refusal', { setup: 'network.sh', program: command, says: [says], links: {}, datagrams })
  })

  it('make the token bucket that `tc` shows for its own', () => {
    const show = (dev: string): unknown => JSON.parse(ns.exec('tc', ['-j', '-d', 'qdisc', 'show', 'dev', dev]))
    const ours = requests.replaceTbf({ ifIndex: ifIndexFrom(12), bytesPerSecond: 1_000_000n, burstBytes: 32_768, limitBytes: 65_536 })
    ns.route.socket.request(ours)
    expect(show('down0')).toEqual((show('v0') as object[]).map((qdisc) => ({ ...qdisc, refcnt: expect.any(Number) as number })))
    if (isRecording) writeRecording('token-bucket', { setup: 'network.sh', program: 'tc -j -d qdisc show dev v0', says: show('v0') as unknown[], links: {}, bytes: toHex(ours.payload) })
  })
})

/** The one message of this type that a command sends, as `strace` shows it. */
function sentBy(ns: TestNamespace, command: string, type: number): Uint8Array {
  const file = join(tmpdir(), `strace-${process.pid}`)
  try {
    ns.exec('strace', ['-e', 'trace=sendmsg,sendto', '-e', 'write=all', '-o', file, ...command.split(' ')])
    const buffers = readFileSync(file, 'latin1').split(/^ \* \d+ bytes in buffer \d+$/m).slice(1)
    const sent = buffers.map((dump) => fromHex([...dump.matchAll(/^ \| [0-9a-f]+ {2}((?:[0-9a-f]{2} {1,2}){1,16})/gm)].map(([, hex]) => hex!.replaceAll(' ', '')).join('')))
    const found = sent.find((bytes) => bytes.length >= 16 && decodeMessages(bytes)[0]!.type === type)
    if (found === undefined) throw new Error(`Cannot record "${command}": no message of type ${type} among ${sent.length}`)
    return found
  } finally {
    rmSync(file, { force: true })
  }
}

/** What a command that fails prints. */
function exitOf(ns: TestNamespace, command: string): string {
  try {
    ns.exec('sh', ['-c', command])
    return ''
  } catch (error) {
    return (error as { readonly stderr: string }).stderr.trim()
  }
}
