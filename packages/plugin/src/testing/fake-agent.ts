import { Deadlines, realClock } from '@weft/daemon'
import { closeFd, RouteSocket, UnixFdServer } from '@weft/netlink'
import { type CallFrame, decodeCall } from '../frame.ts'

export interface Received {
  readonly call: CallFrame
  /** Names of the links the passed socket sees. */
  readonly links: readonly string[]
  readonly fds: number
}

/** An agent that notes what it gets and answers always the same. */
export function fakeAgent(path: string, reply: Buffer | undefined): AsyncDisposable & { readonly received: readonly Received[] } {
  const server = UnixFdServer.listen({ path, deadlines: new Deadlines(realClock) })
  const received: Received[] = []
  const serving = (async () => {
    for await (const request of server) {
      const [socketFd, ...others] = request.fds
      let links: string[] = []
      if (socketFd !== undefined) {
        using route = RouteSocket.fromFd(socketFd)
        links = route.links().map(({ name }) => name)
      }
      for (const fd of others) closeFd(fd)
      received.push({ call: decodeCall(request.data), links, fds: request.fds.length })
      if (reply === undefined) void server[Symbol.asyncDispose]()
      else await request.reply(reply)
    }
  })()
  return { received, [Symbol.asyncDispose]: async () => {
    await server[Symbol.asyncDispose]()
    await serving
  } }
}
