import type { Logger } from '@weft/daemon'
import type { ConntrackConfig } from './config.ts'
import type { Proxy } from './proxy.ts'

/** Settings of the kernel; `readSysctls` and `writeSysctls` of the netlink package. */
export interface Sysctls {
  read(names: readonly string[]): Promise<Readonly<Record<string, string>>>
  write(values: Readonly<Record<string, string>>): Promise<void>
}

interface TuneOptions {
  readonly config: ConntrackConfig | 'leave'
  readonly cores: number
  readonly sysctls: Sysctls
  readonly proxy: Pick<Proxy, 'whenReady'>
  readonly logger: Logger
}

const prefix = 'net.netfilter.nf_conntrack_'

/** Whether conntrack knows SCTP, by the settings it has then; undefined where conntrack is not in the kernel yet. */
export async function tracksSctp({ read }: Pick<Sysctls, 'read'>): Promise<boolean | undefined> {
  const has = async (name: string): Promise<boolean> => await read([`${prefix}${name}`]).then(() => true, () => false)
  return await has('sctp_timeout_established') ? true : await has('max') ? false : undefined
}

/**
 * Sets what kube-proxy sets of conntrack (SVC-27), once, when our rules have brought conntrack into the kernel. What is so already is not written, and a table that is larger than wanted stays. What cannot be
 * written is told, and goes on without: in a container `/proc/sys` may be read-only, and only the first namespace has a size of its own.
 */
export async function tuneConntrack({ config, cores, sysctls, proxy, logger }: TuneOptions, signal: AbortSignal): Promise<void> {
  if (config === 'leave') return
  await proxy.whenReady(signal).catch(() => undefined)
  if (signal.aborted) return
  const seconds = (ms: number): number => Math.round(ms / 1000)
  const wanted = [
    { name: `${prefix}max`, value: Math.max(config.maxPerCore * cores, config.min), isLeast: true },
    { name: `${prefix}tcp_timeout_established`, value: seconds(config.tcpEstablishedTimeout), isLeast: false },
    { name: `${prefix}tcp_timeout_close_wait`, value: seconds(config.tcpCloseWaitTimeout), isLeast: false },
  ]
  for (const { name, value, isLeast } of wanted) {
    try {
      const { [name]: text } = await sysctls.read([name])
      const now = Number(text)
      if (now === value || (isLeast && now > value)) continue
      await sysctls.write({ [name]: String(value) })
      logger.info({ sysctl: name, old: now, new: value }, 'sysctl set')
    } catch (error) {
      logger.warn({ sysctl: name, wanted: value, err: error }, 'sysctl cannot be set')
    }
  }
}
