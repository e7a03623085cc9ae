import { CniError } from './cni-error.ts'
import { type CniVersion, isAtLeast } from './version.ts'

interface ResultInterface {
  readonly name: string
  readonly mac?: string | undefined
  readonly mtu?: number | undefined
  /** `CNI_NETNS` for interfaces in the container, empty or absent on the host. */
  readonly sandbox?: string | undefined
  readonly socketPath?: string | undefined
  readonly pciID?: string | undefined
}

export interface ResultIp {
  /** With prefix length. */
  readonly address: string
  readonly gateway?: string | undefined
  /** Index into `interfaces`. */
  readonly interface?: number | undefined
}

export interface ResultRoute {
  readonly dst: string
  readonly gw?: string | undefined
  readonly mtu?: number | undefined
  readonly advmss?: number | undefined
  readonly priority?: number | undefined
  readonly table?: number | undefined
  readonly scope?: number | undefined
}

export interface ResultDns {
  readonly nameservers?: readonly string[] | undefined
  readonly domain?: string | undefined
  readonly search?: readonly string[] | undefined
  readonly options?: readonly string[] | undefined
}

/** Result of ADD in the form of protocol 1.1.0, whatever version was asked for. */
export interface CniResult {
  readonly interfaces: readonly ResultInterface[]
  readonly ips: readonly ResultIp[]
  readonly routes: readonly ResultRoute[]
  readonly dns?: ResultDns | undefined
}

type Json = Readonly<Record<string, unknown>>

/**
 * Writes a result in the form of the version asked for (CNI-25): 1.0 loses the additions of 1.1, before 1.0 an address
 * carries its family, before 0.3 there is one address per family and no interface.
 */
export function encodeResult(result: CniResult, cniVersion: CniVersion): Json {
  const dns = result.dns ?? {}
  if (!isAtLeast(cniVersion, '0.3.0')) return { cniVersion, ...oldFamily('ip4', result, false), ...oldFamily('ip6', result, true), dns }
  const newest = isAtLeast(cniVersion, '1.1.0')
  const withFamily = !isAtLeast(cniVersion, '1.0.0')
  return {
    cniVersion,
    // What is empty is left out, as the reference does; an IPAM plugin has no interfaces (IPAM-11).
    ...result.interfaces.length === 0 ? {} : { interfaces: result.interfaces.map(({ name, mac, sandbox, mtu, socketPath, pciID }) => ({ name, mac, ...newest ? { mtu, socketPath, pciID } : {}, sandbox })) },
    ips: result.ips.map((ip) => withFamily ? { version: isIpv6(ip.address) ? '6' : '4', ...ip } : ip),
    ...result.routes.length === 0 ? {} : { routes: result.routes.map((route) => newest ? route : { dst: route.dst, gw: route.gw }) },
    dns,
  }
}

function oldFamily(key: string, { ips, routes }: CniResult, ipv6: boolean): Json {
  const ip = ips.find(({ address }) => isIpv6(address) === ipv6)
  if (ip === undefined) return {}
  return { [key]: { ip: ip.address, gateway: ip.gateway, routes: routes.filter(({ dst }) => isIpv6(dst) === ipv6).map(({ dst, gw }) => ({ dst, gw })) } }
}

/**
 * Reads a `prevResult`, which has the form of the configuration's own version.
 *
 * @throws {CniError} Code 6 if it is not a result.
 */
export function decodeResult(value: unknown): CniResult {
  const root = object(value, 'prevResult')
  const dns = root['dns'] === undefined ? {} : { dns: object(root['dns'], 'prevResult.dns') as ResultDns }
  if (root['ip4'] !== undefined || root['ip6'] !== undefined) {
    const old = [root['ip4'], root['ip6']].filter((family) => family !== undefined).map((family) => object(family, 'prevResult.ip4'))
    return {
      interfaces: [],
      ips: old.map((family) => ({ address: text(family, 'ip'), ...optional(family, 'gateway') })),
      routes: old.flatMap((family) => list(family, 'routes')).map(toRoute),
      ...dns,
    }
  }
  return {
    interfaces: list(root, 'interfaces').map((entry) => ({ ...entry, name: text(entry, 'name') })),
    ips: list(root, 'ips').map(({ version: _version, ...entry }) => ({ ...entry, address: text(entry, 'address') })),
    routes: list(root, 'routes').map(toRoute),
    ...dns,
  }
}

function toRoute(entry: Json): ResultRoute {
  return { ...entry, dst: text(entry, 'dst') }
}

function object(value: unknown, path: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CniError('ERR_CNI_DECODE', `Cannot read ${path}: it is not an object`)
  return Object.fromEntries(Object.entries(value))
}

function list(parent: Json, key: string): readonly Json[] {
  const value = parent[key] ?? []
  if (!Array.isArray(value)) throw new CniError('ERR_CNI_DECODE', `Cannot read prevResult.${key}: it is not a list`)
  return value.map((entry, index) => object(entry, `prevResult.${key}[${index}]`))
}

function text(parent: Json, key: string): string {
  const value = parent[key]
  if (typeof value !== 'string') throw new CniError('ERR_CNI_DECODE', `Cannot read prevResult: "${key}" is not a string`)
  return value
}

function optional(parent: Json, key: string): Json {
  return parent[key] === undefined ? {} : { [key]: text(parent, key) }
}

function isIpv6(address: string): boolean {
  return address.includes(':')
}
