import { describe, expect, it } from 'vitest'
import { checkSysctls, safeSysctls } from './pod-sysctls.ts'

describe('checkSysctls()', () => {
  const refused = (name: string, allowed: readonly string[] = safeSysctls): boolean => {
    try {
      checkSysctls('net', { [name]: '1' }, allowed)
      return false
    } catch {
      return true
    }
  }

  it('lets what is in the list, and nothing that only looks like it', () => {
    expect(['net.core.somaxconn', 'net.ipv4.tcp_rmem'].map((name) => refused(name))).toEqual([false, false])
    for (const name of ['kernel.core_pattern', 'net.ipv4.ip_forward', 'net.core.somaxconn/../../../kernel/core_pattern', 'net.core..somaxconn', 'net/core/somaxconn', 'NET.core.somaxconn', '']) expect([name, refused(name)]).toEqual([name, true])
  })

  it('takes names of the administrator, with a rest and the interface', () => {
    const allowed = ['net.ipv4.conf.IFNAME.*', 'net.ipv6.conf.all.disable_ipv6']
    expect(['net.ipv4.conf.IFNAME.arp_notify', 'net.ipv6.conf.all.disable_ipv6', 'net.ipv4.conf.eth1.arp_notify', 'net.core.somaxconn'].map((name) => refused(name, allowed))).toEqual([false, false, true, true])
    expect(refused('net.ipv4.conf.IFNAME.../../x', allowed)).toBe(true)
  })
})
