import { closeSync, fstatSync } from 'node:fs'
import { RouteSocket } from '@weft/netlink'
import { closeAll, CniError } from '@weft/plugin'
import type { PodRequest } from './network-config.ts'

/** What the shim opened for us in the pod's namespace. */
export interface PodNetns extends Disposable {
  /** Acts in the pod's namespace, though we never enter it. */
  readonly route: RouteSocket
}

/**
 * Takes over the descriptors of a call.
 *
 * @param fds rtnetlink socket, namespace; both are closed in any case.
 * @throws {CniError} If there are none, or the namespace is the node's own (CNI-12).
 */
export function takePodNetns(request: Pick<PodRequest, 'netns' | 'netnsError'>, fds: readonly number[], nodeNetnsFd: number): PodNetns {
  const [socketFd, netnsFd] = fds
  if (socketFd === undefined || netnsFd === undefined || fds.length !== 2) {
    closeAll(fds)
    throw new CniError('ERR_CNI_NETNS', `Cannot open network namespace "${request.netns}": ${request.netnsError ?? 'the plugin passed no descriptors'}, wanted the path of a network namespace`)
  }
  const own = fstatSync(nodeNetnsFd)
  const theirs = fstatSync(netnsFd)
  closeSync(netnsFd)
  if (own.dev === theirs.dev && own.ino === theirs.ino) {
    closeSync(socketFd)
    throw new CniError('ERR_CNI_NETNS', `Cannot use network namespace "${request.netns}": it is the node's own, wanted one of a pod`)
  }
  const route = RouteSocket.fromFd(socketFd)
  return { route, [Symbol.dispose]: () => route[Symbol.dispose]() }
}
