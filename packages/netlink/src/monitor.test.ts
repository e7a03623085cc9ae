import { describe, expect, it } from 'vitest'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage } from './message.ts'
import { readEvent } from './monitor.ts'
import { decodeRouteEvent } from './route-event.ts'
import { messagesOf, readRecording } from './testing/recording.ts'

const [route] = messagesOf(readRecording('routes-ipv4'))
const damaged: NetlinkMessage = { ...route!, payload: route!.payload.slice(0, -1) }

describe('readEvent()', () => {
  it('gives what an event is about, or that some were lost', () => {
    expect(route!.type).toBe(k.RTM_NEWROUTE)
    expect(readEvent(route!, decodeRouteEvent)).toMatchObject({ kind: 'route', gone: false })
    expect(readEvent('overrun', decodeRouteEvent)).toBe('overrun')
  })

  it('takes an event that cannot be read for a lost one', () => {
    expect(() => decodeRouteEvent(damaged)).toThrow('Cannot decode attribute')
    expect(readEvent(damaged, decodeRouteEvent)).toBe('overrun')
  })

  it('hides no other error', () => {
    const fail = (): never => { throw new TypeError('not ours') }
    expect(() => readEvent(route!, fail)).toThrow('not ours')
  })
})
