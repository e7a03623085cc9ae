import { closeSync, openSync, writeSync } from 'node:fs'

/**
 * The node's end of a link to pods listens to no router and no redirect (CVE-2020-10749), sends none, and makes no address for itself. Where sysctls are
 * read-only it is left as it is; the anti-spoof table drops such packets in any case.
 */
export function hardenHostEnd(name: string, folder: string): void {
  for (const setting of [`ipv6/conf/${name}/accept_ra`, `ipv6/conf/${name}/accept_redirects`, `ipv4/conf/${name}/accept_redirects`, `ipv4/conf/${name}/send_redirects`]) writeSysctl(`${folder}/net/${setting}`, '0')
  // 1 is "none": no link-local address, and no fe80::/64 route over which a pod's link-local packets would look genuine.
  writeSysctl(`${folder}/net/ipv6/conf/${name}/addr_gen_mode`, '1')
}

/** Synchronous and on this thread, which is in the node's namespace: three small system calls. */
function writeSysctl(path: string, value: string): void {
  try {
    const file = openSync(path, 'w')
    try {
      writeSync(file, value)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EROFS' && code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOENT') throw error
  }
}
