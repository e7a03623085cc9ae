import { messageOf } from '@weft/daemon/message-of'
import { NetlinkError, readSysctls, writeSysctls } from '@weft/netlink'
import { CniError } from '@weft/plugin'

export type Sysctls = Readonly<Record<string, string>>

/** Stands for the pod's interface, as with the reference's `tuning`. */
const interfaceWord = 'IFNAME'

/** Settings of a network namespace that harm nobody but the pod: those Kubernetes calls safe, and the usual ones of servers. */
export const safeSysctls: readonly string[] = [
  'net.core.somaxconn',
  'net.ipv4.ip_local_port_range', 'net.ipv4.ip_local_reserved_ports', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range',
  'net.ipv4.tcp_syncookies', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem',
  'net.ipv4.tcp_max_syn_backlog', 'net.ipv4.tcp_slow_start_after_idle', 'net.ipv4.tcp_notsent_lowat',
]

/**
 * Checks settings against the list of those that may be made.
 *
 * @param allowed Names; a `*` at the end stands for any rest.
 * @throws {CniError} Code 2, naming every one that may not.
 */
export function checkSysctls(network: string, sysctls: Sysctls, allowed: readonly string[]): void {
  const refused = Object.keys(sysctls).filter((name) => !/^net(\.[A-Za-z0-9_-]+)+$/.test(name) || !allowed.some((pattern) => pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
  if (refused.length > 0) throw new CniError('ERR_CNI_UNSUPPORTED_FIELD', `Cannot use network "${network}": sysctl ${refused.map((name) => `"${name}"`).join(', ')} is not in the agent's list \`sysctls\` of those that pods may have`)
}

/** @param netns Path of the pod's namespace, as this process sees it. @throws {CniError} ERR_CNI_SYSCTL. */
export async function setPodSysctls(netns: string, ifname: string, sysctls: Sysctls): Promise<void> {
  if (Object.keys(sysctls).length === 0) return
  try {
    await writeSysctls(netns, Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [named(name, ifname), value])))
  } catch (error) {
    throw refusal(error)
  }
}

/** For CHECK: one sentence for each that is not as ADD had set it. */
export async function findSysctlDifferences(netns: string, ifname: string, sysctls: Sysctls): Promise<readonly string[]> {
  const wanted = Object.entries(sysctls)
  if (wanted.length === 0) return []
  try {
    const found = await readSysctls(netns, wanted.map(([name]) => named(name, ifname)))
    return wanted.flatMap(([name, value]) => {
      const is = words(found[named(name, ifname)])
      return is === words(value) ? [] : [`sysctl ${name} is "${is}", wanted "${value}"`]
    })
  } catch (error) {
    throw refusal(error)
  }
}

/** With slashes: an interface's name may have dots. */
function named(name: string, ifname: string): string {
  return name.split('.').map((part) => part === interfaceWord ? ifname : part).join('/')
}

/** The kernel writes lists with tabs. */
function words(value: string | undefined): string {
  return (value ?? '').trim().split(/\s+/).join(' ')
}

function refusal(error: unknown): CniError {
  const hint = error instanceof NetlinkError && error.code === 'EPERM' ? '; the agent needs CAP_SYS_ADMIN to enter pods, which it has only where pods have sysctls' : ''
  return new CniError('ERR_CNI_SYSCTL', `Cannot set sysctls of pod: ${messageOf(error)}${hint}`, { cause: error })
}
