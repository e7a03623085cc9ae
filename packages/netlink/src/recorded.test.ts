import { ifIndexFrom } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { decodeMessages } from './message.ts'
import { requests } from './requests.ts'
import { recordedRequests } from './testing/recorded-requests.ts'
import { recordedTables } from './testing/recorded-tables.ts'
import { fromHex, messagesOf, readRecording, toHex } from './testing/recording.ts'

const NLM_F_ACK = 4

// Recorded from a real kernel by recorded.kernel.test.ts.
describe('recorded messages', () => {
  it.each(recordedTables)('of $name are read as `$program` printed them', ({ name, decode, said }) => {
    const recording = readRecording(name)
    const read = messagesOf(recording).map(decode)
    expect(read.length).toBeGreaterThan(0)
    expect(read).toMatchObject(said(recording.says, recording.links))
  })
})

describe('requests', () => {
  const recorded = readRecording('requests').requests

  it.each(recordedRequests)('say what `$command` said', ({ command, ours, meaning }) => {
    const [theirs] = decodeMessages(fromHex(recorded.find((one) => one.command === command)!.bytes))
    expect(meaning(ours.payload)).toEqual(meaning(theirs!.payload))
    // Whether to acknowledge, and that it is a request, is the socket's business.
    expect(ours).toMatchObject({ type: theirs!.type, flags: theirs!.flags & ~NLM_F_ACK & ~1 })
  })

  it('replaceTbf() is byte for byte what made the bucket that `tc` showed', () => {
    const { bytes, says } = readRecording('token-bucket')
    expect(toHex(requests.replaceTbf({ ifIndex: ifIndexFrom(12), bytesPerSecond: 1_000_000n, burstBytes: 32_768, limitBytes: 65_536 }).payload)).toBe(bytes)
    expect(says).toMatchObject([{ kind: 'tbf', handle: '1:', options: { rate: 1_000_000, burst: '32Kb/1' } }])
  })
})
