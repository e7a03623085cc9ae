import type { NetlinkMessage } from '@weft/netlink'
import { describe, expect, test } from 'vitest'
import { concernsOverlay } from './kernel-events.ts'

const RTM_NEWLINK = 16
const RTM_NEWNEIGH = 28
const message = (type: number, bytes: number): NetlinkMessage => ({ type, flags: 0, sequence: 0, port: 0, payload: new Uint8Array(bytes) })

describe('concernsOverlay()', () => {
  test('what was lost, and what cannot be read, may have concerned us', () => {
    expect(concernsOverlay('overrun', undefined)).toBe(true)
    // The header of a link has 16 bytes.
    expect(concernsOverlay(message(RTM_NEWLINK, 15), undefined)).toBe(true)
  })

  test('everything does while nothing is known yet, but for kinds that we do not follow', () => {
    expect(concernsOverlay(message(RTM_NEWLINK, 16), undefined)).toBe(true)
    expect(concernsOverlay(message(RTM_NEWNEIGH, 16), undefined)).toBe(false)
  })
})
