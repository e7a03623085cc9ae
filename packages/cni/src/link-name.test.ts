import { describe, expect, it } from 'vitest'
import { linkIdentity } from './link-name.ts'
import { isHostIfname } from './teardown.ts'

describe('linkIdentity()', () => {
  it('follows from container and interface alone, and fits the kernel', () => {
    const identity = linkIdentity('c1', 'eth0')
    expect(identity).toEqual(linkIdentity('c1', 'eth0'))
    expect(identity).not.toEqual(linkIdentity('c1', 'net1'))
    expect(identity.hostIfname).toMatch(/^weft[0-9a-f]{11}$/)
    expect(isHostIfname(identity.hostIfname)).toBe(true)
    expect(isHostIfname('weft0')).toBe(false)
  })

  it('makes unicast, locally administered hardware addresses', () => {
    for (let index = 0; index < 50; index += 1) {
      for (const mac of [linkIdentity(`c${index}`, 'eth0').hostMac, linkIdentity(`c${index}`, 'eth0').podMac]) expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2)
    }
  })
})
