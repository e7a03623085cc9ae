import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { skippable } from '@weft/daemon/testing'
import { describe, expect, it } from 'vitest'
import { isTooLarge } from './errors.ts'
import * as libc from './libc.ts'
import { decodeAck } from './message.ts'
import { NLMSG_ERROR, NLM_F_ACK } from './netlink-protocol.ts'
import { openInNetns } from './netns.ts'
import { NetlinkSocket } from './socket.ts'
import { TestNamespace, whyNoKernelTests, trackDescriptors } from './testing/index.ts'
import { MessageWriter } from './writer.ts'

const NFT_SUBSYSTEM = 10
const NFT_MSG_NEWTABLE = 0
const NFT_MSG_DELTABLE = 2

/** An nfnetlink batch: begin, the messages, end. */
function batch(first: number, messages: readonly { readonly type: number, readonly flags: number, readonly name: string }[]): Uint8Array {
  const writer = new MessageWriter()
  const bracket = (type: number, sequence: number): unknown => writer.startMessage(type, 0, sequence).putU16(0).putU16be(NFT_SUBSYSTEM).endMessage()
  bracket(0x10, first)
  for (const [index, { type, flags, name }] of messages.entries()) {
    writer.startMessage((NFT_SUBSYSTEM << 8) | type, flags, first + 1 + index).putU32(1).attrString(1, name).endMessage()
  }
  bracket(0x11, first + 1 + messages.length)
  return writer.bytes()
}

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('NetlinkSocket', missing), () => {
  it('exchange() gives acknowledgements and errors by their sequence', async () => {
    const leaks = await trackDescriptors()
    {
      await using ns = await TestNamespace.create()
      using socket = await NetlinkSocket.open('netfilter', { netns: ns.path })
      const good = socket.reserveSequences(3)
      const answers = socket.exchange(batch(good, [{ type: NFT_MSG_NEWTABLE, flags: NLM_F_ACK | 0x400, name: 'a' }]), { first: good, count: 3 })
      expect(answers.map((answer) => [answer.sequence - good, decodeAck(answer).errno])).toEqual([[1, 0]])
      const bad = socket.reserveSequences(4)
      const messages = [{ type: NFT_MSG_DELTABLE, flags: 0, name: 'a' }, { type: NFT_MSG_DELTABLE, flags: 0, name: 'nobody' }]
      const errors = await socket.exchangeAsync(batch(bad, messages), { first: bad, count: 4 })
      expect(errors.map((answer) => [answer.type, answer.sequence - bad, decodeAck(answer).errno])).toEqual([[NLMSG_ERROR, 2, 2]])
    }
    expect(leaks()).toEqual([])
  })

  it('sndbuf() is the largest message, to the byte', async () => {
    await using ns = await TestNamespace.create()
    using socket = await NetlinkSocket.open('netfilter', { netns: ns.path })
    // A message that is its own padding: refused for what it says, not for its size.
    const noise = (length: number): Uint8Array => {
      const bytes = Buffer.alloc(length)
      bytes.writeUInt32LE(length)
      return bytes
    }
    const size = socket.sndbuf()
    expect(size).toBeGreaterThan(200_000)
    socket.sendRaw(noise(size & ~3))
    expect(() => socket.sendRaw(noise((size & ~3) + 64))).toThrow(expect.toSatisfy(isTooLarge))
  })

  it('no other process or socket can put a message into it', async () => {
    await using ns = await TestNamespace.create()
    const victim = ns.route.socket
    // The port of the victim, as the kernel writes it into answers.
    const [link] = victim.request({ operation: 'read link', type: 18, flags: 0, payload: new MessageWriter().putU32(0).putU32(1).putZeros(8).bytes() })
    expect(link!.port).toBeGreaterThan(0)
    const fd = await openInNetns(ns.path, 'route')
    const message = Buffer.alloc(36)
    message.writeUInt32LE(20)
    message.writeUInt16LE(NLMSG_ERROR, 4)
    message.writeUInt32LE(link!.sequence + 1, 8)
    // A sockaddr_nl with the port of the victim.
    const victimAddress = Buffer.alloc(12)
    victimAddress.writeUInt16LE(libc.AF_NETLINK)
    victimAddress.writeUInt32LE(link!.port, 4)
    try {
      expect(() => {
        libc.connect(fd, victimAddress)
        libc.send(fd, message, 0)
      }).toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }))
    } finally {
      libc.close(fd)
    }
  })

  it('a closed socket says so', () => {
    const socket = NetlinkSocket.openHere('route')
    socket[Symbol.dispose]()
    socket[Symbol.dispose]()
    expect(() => socket.sendRaw(new Uint8Array(16))).toThrow('Cannot use route netlink socket: it is closed')
  })

  it('a process with a monitor and a namespace worker ends by itself', () => {
    const program = `
      import { monitor, readSysctls } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)}
      await monitor({ groups: ['link'], signal: new AbortController().signal })
      await readSysctls('/proc/self/ns/net', ['net.ipv4.ip_forward'])
      console.log('done')`
    const out = execFileSync(process.execPath, ['--conditions=dev', '--input-type=module', '-e', program], { encoding: 'utf8', timeout: 25_000, cwd: fileURLToPath(new URL('..', import.meta.url)) })
    expect(out).toBe('done\n')
  })
})
