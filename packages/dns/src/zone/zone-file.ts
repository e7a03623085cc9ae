import { formatIp, type IpAddress } from '@weft/ip'
import { nameServerName, type Zone } from '../compile.ts'
import { formatName, labelsOf, type Name, nameBelow } from '../wire/name.ts'
import { labelBytes } from './label.ts'
import { mergePointers } from './pointer-table.ts'
import { addressOfKey, reverseName } from './reverse-name.ts'
import { dashedAddress, pointerTarget, serviceName } from './service-zone.ts'
import { soaOf } from './soa.ts'

/** Version of the DNS specification this zone follows, and the TTL its text prescribes for saying so. */
export const schemaVersion = '1.1.0'
export const schemaTtlSeconds = 28_800

/**
 * Prints a zone as a zone file, one record a line, sorted. Pod names of mode `insecure` are not records but a rule; a
 * comment says so.
 */
export function formatZone(zone: Zone): string {
  const { origin, ttlSeconds } = zone.options
  const lines: string[] = []
  const print = (name: Name, type: string, text: string, ttl: number = ttlSeconds): void => {
    lines.push(`${formatName(name)}\t${ttl}\tIN\t${type}\t${text}`)
  }
  const printAddresses = (name: Name, addresses: readonly IpAddress[]): void => {
    for (const address of addresses) print(name, address.family === 4 ? 'A' : 'AAAA', formatIp(address))
  }
  const ns = nameServerName(origin)
  const soa = soaOf(zone.options, zone.serial)
  print(nameBelow([labelBytes('dns-version')], origin), 'TXT', `"${schemaVersion}"`, schemaTtlSeconds)
  print(origin, 'NS', formatName(ns))
  printAddresses(ns, zone.services.get(zone.options.nameServer)?.service.addresses ?? [])
  for (const service of zone.services.values()) {
    const below = serviceName(service.service, origin)
    for (const [key, node] of service.nodes) {
      const name = nameOfKey(key, below)
      if (node.alias !== undefined) print(name, 'CNAME', formatName(node.alias))
      printAddresses(name, node.v4)
      printAddresses(name, node.v6)
      for (const srv of node.srv) print(name, 'SRV', `${srv.priority} ${srv.weight} ${srv.port} ${formatName(srv.target)}`)
    }
  }
  for (const [address, pointers] of mergePointers(zone.services.values())) {
    for (const pointer of pointers) print(reverseName(addressOfKey(address)), 'PTR', formatName(pointerTarget(pointer, origin)))
  }
  for (const [namespace, addresses] of zone.pods) {
    for (const key of addresses) {
      const address = addressOfKey(key)
      printAddresses(nameBelow([dashedAddress(address), namespace, 'pod'].map(labelBytes), origin), [address])
    }
  }
  const start = `${formatName(origin)}\t${ttlSeconds}\tIN\tSOA\t${formatName(soa.mname)} ${formatName(soa.rname)} ${soa.serial} ${soa.refreshSeconds} ${soa.retrySeconds} ${soa.expireSeconds} ${soa.minimumSeconds}`
  const rules = zone.options.pods === 'insecure' ? [`; a-b-c-d.<namespace>.pod.${formatName(origin)} answers A a.b.c.d in these namespaces: ${[...zone.namespaces].sort().join(' ') || 'none'}`] : []
  return [start, ...rules, ...lines.sort()].join('\n') + '\n'
}

function nameOfKey(key: string, below: Name): Name {
  // A key is a name without its root.
  const left = Uint8Array.from(Buffer.from(`${key}\0`, 'latin1')) as Name
  return nameBelow(labelsOf(left), below)
}
