import { describe, expect, test } from 'vitest'
import { privilegeArguments } from './capabilities.ts'

describe('privilegeArguments()', () => {
  test('leaves what container runtimes leave', () => {
    const [bounding] = privilegeArguments({})
    expect(bounding).toContain('-all,')
    expect(bounding).toContain('+net_raw')
    expect(bounding).not.toContain('+net_admin')
  })

  test('follows add, drop and privileged', () => {
    expect(privilegeArguments({ securityContext: { capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } } })).toEqual(['--bounding-set=-all,+net_admin', '--inh-caps=-all'])
    expect(privilegeArguments({ securityContext: { capabilities: { drop: ['NET_RAW'] } } })[0]).not.toContain('net_raw')
    expect(privilegeArguments({ securityContext: { privileged: true } })).toEqual([])
    expect(privilegeArguments({ securityContext: { allowPrivilegeEscalation: false } })).toContain('--no-new-privs')
  })
})
