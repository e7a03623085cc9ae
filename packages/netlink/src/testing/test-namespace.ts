import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type IfIndex, type IpAddress, loopbackIfIndex } from '@weft/ip'
import * as libc from '../libc.ts'
import { createNetns, deleteNetns, warmThreadPool } from '../netns.ts'
import { RouteSocket, ensureDone } from '../route-socket.ts'
import { requests } from '../requests.ts'
import { type EchoOptions, echoes } from './echo.ts'
import { netnsFolder } from './netns-folder.ts'

/** An end of a veth pair made by {@link TestNamespace.connect}. */
export interface TestLinkEnd {
  readonly name: string
  /** Addresses with their prefix lengths. */
  readonly addresses?: readonly { readonly address: IpAddress, readonly prefix: number }[] | undefined
}

/**
 * A fresh network namespace with its loopback up, pinned to a file in the temporary folder and gone
 * when disposed: `await using ns = await TestNamespace.create()`.
 */
export class TestNamespace implements AsyncDisposable {
  /** The file that pins the namespace: what CNI_NETNS would be. */
  readonly path: string
  readonly route: RouteSocket
  /** The namespace as a descriptor, for `netnsFd`. */
  readonly fd: number
  readonly #folder: string

  private constructor(folder: string, path: string, route: RouteSocket) {
    this.#folder = folder
    this.path = path
    this.route = route
    this.fd = libc.open(path, libc.O_RDONLY)
  }

  static async create(): Promise<TestNamespace> {
    await warmThreadPool()
    const folder = await netnsFolder()
    const path = join(folder, 'net')
    await createNetns(path)
    const route = await RouteSocket.open({ netns: path })
    route.setLink(loopbackIfIndex, { up: true })
    return new TestNamespace(folder, path, route)
  }

  /** Joins two namespaces by a veth pair, up and with addresses usable at once. Gives the indexes of the ends. */
  static connect(a: TestNamespace, aEnd: TestLinkEnd, b: TestNamespace, bEnd: TestLinkEnd): readonly [IfIndex, IfIndex] {
    const { index } = a.route.addLink({ kind: 'veth', name: aEnd.name, peer: { name: bEnd.name, netnsFd: b.fd } })
    const peer = b.route.link(bEnd.name).index
    bringUp(a.route, index, aEnd)
    bringUp(b.route, peer, bEnd)
    return [index, peer]
  }

  /** Runs a program in the namespace (an oracle: `ip`, `nft`, `conntrack`, …) and gives its standard output. */
  exec(command: string, args: readonly string[], input?: string): string {
    return execFileSync('nsenter', [`--net=${this.path}`, command, ...args], { encoding: 'utf8', stdio: 'pipe', ...(input === undefined ? {} : { input }) })
  }

  /** Whether an address answers an ICMP echo request sent from here, within two seconds unless told otherwise. */
  echoes(to: string, options?: EchoOptions): Promise<boolean> {
    return echoes(this.path, to, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.route[Symbol.dispose]()
    libc.close(this.fd)
    await deleteNetns(this.path)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function bringUp(route: RouteSocket, index: IfIndex, end: TestLinkEnd): void {
  ensureDone(
    route.transact([
      requests.setLink(index, { up: true }),
      ...(end.addresses ?? []).map(({ address, prefix }) => requests.addAddress({ ifIndex: index, address, prefix, noDad: true })),
    ]),
  )
}
