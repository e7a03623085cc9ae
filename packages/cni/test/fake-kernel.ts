/** Links of a node and its pods, in memory: what the verbs ask of rtnetlink, as far as it decides who has which link. */
import { type IfIndex, ifIndexFrom } from '@weft/ip'
import { type Link, NetlinkError, type RouteSocket } from '@weft/netlink'

const EEXIST = 17
const ENODEV = 19

interface End {
  readonly index: IfIndex
  readonly name: string
  readonly mac: Link['mac']
  readonly mtu: number
  readonly place: string
  peer: End | undefined
}

type Spec = Extract<Parameters<RouteSocket['addLink']>[0], { kind: 'veth' }>

export class FakeKernel {
  /** Where the node is; pods are named by their namespace's path. */
  static readonly node = 'node'
  readonly #ends = new Set<End>()
  #lastIndex = 1

  /** Names of the links at a place, sorted. */
  linksAt(place: string): readonly string[] {
    return [...this.#ends].filter((end) => end.place === place).map(({ name }) => name).toSorted()
  }

  /** A namespace goes, and its links with it. */
  removeNamespace(place: string): void {
    for (const end of this.#ends) if (end.place === place) this.#delete(end)
  }

  /** What a socket in that namespace can do, of all that a `RouteSocket` can. */
  at(place: string): RouteSocket {
    const find = (which: string | IfIndex): End | undefined => [...this.#ends].find((end) => end.place === place && (end.name === which || end.index === which))
    const link = (which: string | IfIndex): Link => asLink(find(which) ?? fail('read link', ENODEV))
    const socket = {
      links: () => [...this.#ends].filter((end) => end.place === place).map(asLink),
      link,
      findLink: (which: string | IfIndex) => find(which) === undefined ? undefined : link(which),
      // The kernel takes its time.
      addLinkAsync: async (spec: Spec) => {
        await turn()
        if (find(spec.name) !== undefined || this.linksAt(FakeKernel.node).includes(spec.peer.name)) fail('add link', EEXIST)
        const own = this.#add(place, spec)
        own.peer = this.#add(FakeKernel.node, spec.peer)
        own.peer.peer = own
        return asLink(own)
      },
      deleteLink: (index: IfIndex) => this.#delete(find(index) ?? fail('delete link', ENODEV)),
      deleteLinks: async (indexes: readonly IfIndex[]) => {
        await turn()
        for (const index of indexes) {
          const end = find(index)
          if (end !== undefined) this.#delete(end)
        }
      },
      transactAsync: async (requests: readonly unknown[]) => {
        await turn()
        return requests.map(() => ({ error: undefined, messages: [] }))
      },
      transact: (requests: readonly unknown[]) => requests.map(() => ({ error: undefined, messages: [] })),
      hasTokenBuckets: () => true, tokenBuckets: () => [],
      routes: () => [], addresses: () => [], neighbours: () => [], replaceAddress: () => undefined,
      [Symbol.dispose]: () => undefined,
    }
    return socket as unknown as RouteSocket
  }

  #add(place: string, { name, mac, mtu }: Pick<Spec, 'mac' | 'mtu'> & { readonly name?: string | undefined }): End {
    this.#lastIndex += 1
    const end: End = { index: ifIndexFrom(this.#lastIndex), name: name!, mac, mtu: mtu ?? 1500, place, peer: undefined }
    this.#ends.add(end)
    return end
  }

  #delete(end: End): void {
    this.#ends.delete(end)
    if (end.peer !== undefined) this.#ends.delete(end.peer)
  }
}

function asLink({ index, name, mac, mtu }: End): Link {
  return { index, name, mac, mtu, kind: 'veth', up: true, running: true, operState: 'up', flags: 1, hardware: 1, master: undefined, peerIndex: undefined, peerNetnsId: undefined, alias: undefined, group: 0, qdisc: 'noqueue', ipHooks: undefined, vxlan: undefined }
}

function fail(operation: string, errno: number): never {
  throw new NetlinkError({ operation, errno })
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
