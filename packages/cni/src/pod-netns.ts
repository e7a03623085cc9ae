import { closeSync, fstatSync } from 'node:fs'
import { netnsOfSocket, RouteSocket } from '@weft/netlink'
import { closeAll, CniError } from '@weft/plugin'
import type { PodRequest } from './network-config.ts'

/** What the shim opened for us in the pod's namespace. */
interface PodNetns extends Disposable {
  /** Acts in the pod's namespace, though we never enter it. */
  readonly route: RouteSocket
  /** As long as this is open. */
  readonly path: string
}

/** How the node's server gets into namespaces without entering them. */
export interface PodDoor extends Disposable {
  /** The node's own: where host ends of pod links are born. */
  readonly nodeNetnsFd: number
  /** See {@link takePodNetns}. */
  open(request: NetnsOfRequest, fds: readonly number[]): PodNetns
}

type NetnsOfRequest = Pick<PodRequest, 'netns' | 'netnsError'>

/** What the shim passes. */
export function shimDoor(route: RouteSocket): PodDoor {
  const nodeNetns = netnsOfSocket(route.socket.fd)
  return { nodeNetnsFd: nodeNetns.fd, open: (request, fds) => takePodNetns(request, fds, nodeNetns.fd), [Symbol.dispose]: () => nodeNetns[Symbol.dispose]() }
}

/**
 * Takes over the descriptors of a call.
 *
 * @param fds rtnetlink socket, namespace; both are closed in any case.
 * @throws {CniError} If there are none, or the namespace is the node's own (CNI-12).
 */
function takePodNetns(request: NetnsOfRequest, fds: readonly number[], nodeNetnsFd: number): PodNetns {
  const [socketFd, netnsFd] = fds
  if (socketFd === undefined || netnsFd === undefined || fds.length !== 2) {
    closeAll(fds)
    throw new CniError('ERR_CNI_NETNS', `Cannot open network namespace "${request.netns}": ${request.netnsError ?? 'the plugin passed no descriptors'}, wanted the path of a network namespace`)
  }
  const own = fstatSync(nodeNetnsFd)
  const theirs = fstatSync(netnsFd)
  if (own.dev === theirs.dev && own.ino === theirs.ino) {
    closeAll(fds)
    throw new CniError('ERR_CNI_NETNS', `Cannot use network namespace "${request.netns}": it is the node's own, wanted one of a pod`)
  }
  const route = RouteSocket.fromFd(socketFd)
  return {
    route,
    path: `/proc/${process.pid}/fd/${netnsFd}`,
    [Symbol.dispose]: () => {
      route[Symbol.dispose]()
      closeSync(netnsFd)
    },
  }
}
