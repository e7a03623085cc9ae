import type { Container } from './pod-object.ts'

/** What container runtimes leave to a container by default. */
const defaults = ['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service', 'net_raw', 'sys_chroot', 'setfcap']

/** Arguments for `setpriv` that leave a container the capabilities its securityContext asks for; empty when privileged. */
export function privilegeArguments({ securityContext }: Pick<Container, 'securityContext'>): readonly string[] {
  if (securityContext?.privileged === true) return []
  const name = (capability: string): string => capability.toLowerCase().replace(/^cap_/, '')
  const add = (securityContext?.capabilities?.add ?? []).map(name)
  const drop = (securityContext?.capabilities?.drop ?? []).map(name)
  const kept = drop.includes('all') ? [] : defaults.filter((capability) => !drop.includes(capability))
  const set = add.includes('all') ? '+all' : ['-all', ...new Set([...kept, ...add].map((capability) => `+${capability}`))].join(',')
  return [`--bounding-set=${set}`, '--inh-caps=-all', ...(securityContext?.allowPrivilegeEscalation === false ? ['--no-new-privs'] : [])]
}
