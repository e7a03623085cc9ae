import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { readSysctls } from '../netns.ts'

const CAP_NET_ADMIN = 12n
const CAP_SYS_ADMIN = 21n

/** Whether this process may make network namespaces; {@link whyNoKernelTests} says why not. */
export function kernelTestsPossible(): boolean {
  return whyNoKernelTests() === undefined
}

/** Why tests against the kernel cannot run here, or `undefined` if they can. */
export function whyNoKernelTests(): string | undefined {
  if (process.platform !== 'linux') return `Kernel tests need Linux, this is ${process.platform}`
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  const held = BigInt(`0x${effective ?? '0'}`)
  const missing = [...(((held >> CAP_NET_ADMIN) & 1n) === 0n ? ['CAP_NET_ADMIN'] : []), ...(((held >> CAP_SYS_ADMIN) & 1n) === 0n ? ['CAP_SYS_ADMIN'] : [])]
  return missing.length === 0 ? undefined : `Kernel tests need ${missing.join(' and ')}: run them under \`unshare -Urnm --propagation private\``
}

/** Why a test that compares with programs cannot run here, or `undefined` if it can; goes into the test's name. */
export function whyNoPrograms(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !hasPrograms(name))
  return missing.length === 0 ? undefined : `Needs ${missing.join(' and ')}, not found on the PATH`
}

/** Whether programs that tests compare with (`ip`, `nft`, `conntrack`, …) are on the PATH. */
export function hasPrograms(...names: readonly string[]): boolean {
  const folders = (process.env['PATH'] ?? '').split(':')
  return names.every((name) => folders.some((folder) => existsSync(join(folder, name))))
}

/**
 * Remembers the open descriptors; the function it gives names those opened since and not closed:
 * sockets, namespaces, eventfds and files. The event loop's own are left out.
 */
export async function trackDescriptors(): Promise<() => string[]> {
  // The worker that enters namespaces is kept, and so are its descriptors.
  await readSysctls(undefined, [])
  const before = new Set(descriptors().keys())
  return () => [...descriptors()].filter(([fd]) => !before.has(fd)).map(([fd, target]) => `${fd} ${target}`)
}

function descriptors(): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`)
      // The listing's own descriptor, and what libuv opens for a new thread.
      if (/^(socket:|net:|\/proc\/|anon_inode:\[eventfd\]|\/)/.test(target) && !target.startsWith(`/proc/${process.pid}/fd`)) found.set(Number(name), target)
    } catch {
      // Closed since the listing.
    }
  }
  return found
}
