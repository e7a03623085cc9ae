import { formatIp } from '@weft/ip'
import { atOnce } from '@weft/netlink'
import { ipKey, kinds, type ServiceModel, type VirtualPort } from './model.ts'
import { ProxyError } from './proxy-error.ts'
import { SmallMap } from './small-map.ts'

/** A port that a Service asks for and does not get. */
export interface Refusal {
  /** Equal for the same port, loser and winner. */
  readonly id: string
  /** The loser, `namespace/name`. */
  readonly key: string
  readonly error: ProxyError
}

/** What a change of some Services means for the ports in the kernel. */
export interface PortChanges {
  /** Ports as they were served, and as they are now; what did not change is in neither. */
  readonly before: readonly VirtualPort[]
  readonly after: readonly VirtualPort[]
  readonly refused: readonly Refusal[]
  /** Ids of refusals that no longer hold. */
  readonly settled: readonly string[]
}

/** A Service as it was and as it is. */
interface ModelChange {
  readonly old: ServiceModel | undefined
  readonly now: ServiceModel | undefined
}

/** So many ports are looked at before others get a turn. */
const perTurn = 200

interface Address {
  /** Services that have it as cluster IP. */
  owners: readonly string[]
  /** protocol.port -> who asks for it, nearly always one. */
  readonly claims: SmallMap<readonly VirtualPort[]>
}

/**
 * Who serves which address and port. Nothing in Kubernetes keeps two Services from naming one external address, or one from
 * naming another's cluster IP (CVE-2020-8554), so every port has one owner, the same in whatever order Services come: an
 * address that is some Service's cluster IP belongs to it on all ports; then a NodePort precedes an external address;
 * then the first in order of `namespace/name`. The losers are told (promise P10).
 */
export class VirtualPorts {
  readonly #addresses = new Map<string, Address>()
  readonly #refusals = new Map<string, readonly Refusal[]>()

  /** How many ports are refused to somebody now. */
  get refused(): number {
    return this.#refusals.size
  }

  /** The port that is served there. */
  get(ip: VirtualPort['ip'], protocol: VirtualPort['protocol'], port: number): VirtualPort | undefined {
    const address = this.#addresses.get(ipKey(ip))
    const claims = address?.claims.get(`${protocol}.${port}`)
    return address === undefined || claims === undefined ? undefined : winner(address, claims)
  }

  /** Services that name the address, in order, whether they get it or not. */
  keysAt(ip: VirtualPort['ip']): readonly string[] {
    const address = this.#addresses.get(ipKey(ip))
    if (address === undefined) return []
    return [...new Set([...address.owners, ...[...address.claims.values()].flatMap((claims) => claims.map(({ service }) => service))])].sort()
  }

  /** All ports that are served, in no particular order. */
  *served(): Generator<VirtualPort, void, undefined> {
    for (const address of this.#addresses.values()) {
      for (const claims of address.claims.values()) {
        const port = winner(address, claims)
        if (port !== undefined) yield port
      }
    }
  }

  /** Takes in what all Services ask for, when there is nothing yet; in turns. */
  *load(models: Iterable<ServiceModel>): Generator<void, readonly Refusal[]> {
    for (const model of models) {
      yield* this.#claim(model)
      yield
    }
    const refused: Refusal[] = []
    for (const [ip, address] of this.#addresses) {
      yield
      for (const [port, claims] of address.claims.entries()) {
        const isContested = claims.length > 1 || (address.owners.length > 0 && !address.owners.includes(claims[0]!.service))
        if (isContested) this.#refuse({ ip, port }, { refused, settled: [] })
      }
    }
    return refused
  }

  /** Replaces what Services ask for. In the size of those Services. */
  replace(changes: readonly ModelChange[]): PortChanges {
    return atOnce(this.replacing(changes))
  }

  /** {@link replace}, interrupted now and then. */
  *replacing(changes: readonly ModelChange[]): Generator<void, PortChanges> {
    const touched = yield* this.#touched(changes)
    const before = touched.map((place) => this.#winnerAt(place))
    yield
    for (const { old } of changes) if (old !== undefined) yield* this.#withdraw(old)
    for (const { now } of changes) if (now !== undefined) yield* this.#claim(now)
    const after = touched.map((place) => this.#winnerAt(place))
    const refused: Refusal[] = []
    const settled: string[] = []
    for (const [index, place] of touched.entries()) {
      if (index % perTurn === 0) yield
      this.#refuse(place, { refused, settled })
    }
    const moved = touched.map((_place, index) => [before[index], after[index]] as const).filter(([was, is]) => was !== is)
    return { before: moved.flatMap(([was]) => was ?? []), after: moved.flatMap(([, is]) => is ?? []), refused, settled }
  }

  /** Every port that may change hands: what those Services ask for, and what others ask for on their cluster IPs. */
  *#touched(changes: readonly ModelChange[]): Generator<void, readonly Place[]> {
    const places = new Map<string, Place>()
    const touch = (ip: string, port: string): void => void places.set(`${ip} ${port}`, { ip, port })
    for (const { old, now } of changes) {
      for (const model of [old, now]) {
        for (const [index, port] of (model?.ports ?? []).entries()) {
          if (index % perTurn === perTurn - 1) yield
          touch(ipKey(port.ip), portKey(port))
        }
      }
      const [was, is] = [old, now].map((model) => new Set(model?.vips.map(ipKey)))
      for (const ip of was!.symmetricDifference(is!)) for (const port of this.#addresses.get(ip)?.claims.keys() ?? []) touch(ip, port)
    }
    return [...places.values()]
  }

  *#claim({ key, vips, ports }: ServiceModel): Generator<void, void> {
    for (const vip of vips) {
      const address = this.#address(ipKey(vip))
      if (!address.owners.includes(key)) address.owners = address.owners.length === 0 ? [key] : [...address.owners, key]
    }
    for (const [index, port] of ports.entries()) {
      if (index % perTurn === perTurn - 1) yield
      const { claims } = this.#address(ipKey(port.ip))
      const known = claims.get(portKey(port))
      // A Service that asks twice for one port (which the API server refuses) gets what it asked for first.
      if (known === undefined) claims.set(portKey(port), [port])
      else if (!known.some(({ service }) => service === key)) claims.set(portKey(port), [...known, port])
    }
  }

  *#withdraw({ key, vips, ports }: ServiceModel): Generator<void, void> {
    for (const vip of vips) {
      const address = this.#addresses.get(ipKey(vip))
      if (address !== undefined) address.owners = address.owners.filter((owner) => owner !== key)
    }
    for (const [index, port] of ports.entries()) {
      if (index % perTurn === perTurn - 1) yield
      const claims = this.#addresses.get(ipKey(port.ip))?.claims
      const kept = claims?.get(portKey(port))?.filter(({ service }) => service !== key)
      if (kept?.length === 0) claims?.delete(portKey(port))
      else if (kept !== undefined) claims?.set(portKey(port), kept)
    }
    for (const ip of [...vips, ...ports.map((port) => port.ip)]) {
      const address = this.#addresses.get(ipKey(ip))
      if (address?.owners.length === 0 && address.claims.size === 0) this.#addresses.delete(ipKey(ip))
    }
  }

  #address(ip: string): Address {
    return this.#addresses.getOrInsertComputed(ip, () => ({ owners: nobody, claims: new SmallMap() }))
  }

  #winnerAt({ ip, port }: Place): VirtualPort | undefined {
    const address = this.#addresses.get(ip)
    const claims = address?.claims.get(port)
    return address === undefined || claims === undefined ? undefined : winner(address, claims)
  }

  #refuse(place: Place, told: { readonly refused: Refusal[], readonly settled: string[] }): void {
    const address = this.#addresses.get(place.ip)
    const claims = address?.claims.get(place.port) ?? []
    const owner = this.#winnerAt(place)?.service ?? [...address?.owners ?? []].sort()[0]
    const at = `${place.ip} ${place.port}`
    const old = this.#refusals.get(at) ?? []
    const now = claims.filter(({ service }) => service !== owner).map((port): Refusal => {
      const { service: key } = port
      const id = `${at} ${key} ${owner}`
      const message = `Cannot serve Service "${key}" on "${formatIp(port.ip)} ${port.protocol} ${port.port}": Service "${owner}" has the address, wanted one that is free`
      return old.find((refusal) => refusal.id === id) ?? { id, key, error: new ProxyError('ERR_PROXY_PORT_TAKEN', message) }
    })
    told.refused.push(...now.filter((refusal) => !old.includes(refusal)))
    told.settled.push(...old.filter((refusal) => !now.includes(refusal)).map(({ id }) => id))
    if (now.length === 0) this.#refusals.delete(at)
    else this.#refusals.set(at, now)
  }
}

interface Place {
  readonly ip: string
  readonly port: string
}

const nobody: readonly string[] = []
/** The text of each protocol and port, once however many addresses have it. */
const portKeys = new Map<string, Map<number, string>>()

function portKey({ protocol, port }: VirtualPort): string {
  return portKeys.getOrInsertComputed(protocol, () => new Map<number, string>()).getOrInsertComputed(port, () => `${protocol}.${port}`)
}

function winner({ owners }: Address, claims: readonly VirtualPort[]): VirtualPort | undefined {
  let best: VirtualPort | undefined
  for (const port of claims) {
    if (owners.length > 0 && !owners.includes(port.service)) continue
    if (best === undefined || precedes(port, best)) best = port
  }
  return best
}

function precedes(a: VirtualPort, b: VirtualPort): boolean {
  const rank = kinds.indexOf(a.kind) - kinds.indexOf(b.kind)
  return rank < 0 || (rank === 0 && a.service < b.service)
}
