import { asArray, asNumber, asText, objectsIn, valueAt, wordOf, type JsonObject, type KubeObject } from '../json.ts'
import { selectorText } from '../selector-text.ts'
import { age } from './age.ts'
import type { Column } from './column.ts'

const name: Column = { name: 'Name', type: 'string', format: 'name', cell: object => object.metadata.name }
const ageOf: Column = { name: 'Age', type: 'string', cell: (object, now) => age(object.metadata.creationTimestamp, now) }

/** Columns of Services. */
export const serviceColumns: readonly Column[] = [
  name,
  { name: 'Type', type: 'string', cell: service => asText(valueAt(service, 'spec.type')) ?? '' },
  { name: 'Cluster-IP', type: 'string', cell: service => asText(valueAt(service, 'spec.clusterIP')) ?? '<none>' },
  { name: 'External-IP', type: 'string', cell: externalText },
  { name: 'Port(s)', type: 'string', cell: service => objectsIn(valueAt(service, 'spec.ports')).map(portText).join(',') || '<none>' },
  ageOf,
  { name: 'Selector', type: 'string', priority: 1, cell: service => selectorText(valueAt(service, 'spec.selector')) || '<none>' },
]

function portText(port: JsonObject): string {
  const nodePort = asNumber(port['nodePort']) ?? 0
  return `${asNumber(port['port']) ?? 0}${nodePort === 0 ? '' : `:${nodePort}`}/${asText(port['protocol']) ?? 'TCP'}`
}

function externalText(service: KubeObject): string {
  const type = asText(valueAt(service, 'spec.type'))
  if (type === 'ExternalName') return asText(valueAt(service, 'spec.externalName')) ?? ''
  const balancer = type === 'LoadBalancer' ? objectsIn(valueAt(service, 'status.loadBalancer.ingress')).map(entry => asText(entry['ip']) ?? asText(entry['hostname'])) : []
  const all = [...balancer, ...asArray(valueAt(service, 'spec.externalIPs')).map(wordOf)].join(',')
  if (all !== '') return all
  return type === 'LoadBalancer' ? '<pending>' : '<none>'
}

/** Columns of EndpointSlices. */
export const endpointSliceColumns: readonly Column[] = [
  name,
  { name: 'AddressType', type: 'string', cell: slice => asText(slice['addressType']) ?? '' },
  { name: 'Ports', type: 'string', cell: slice => listText(objectsIn(slice['ports']).map(port => String(asNumber(port['port']) ?? '*')), '<unset>') },
  { name: 'Endpoints', type: 'string', cell: slice => listText(objectsIn(slice['endpoints']).flatMap(endpoint => asArray(endpoint['addresses']).map(String)), '<unset>') },
  ageOf,
]

/** Columns of Endpoints. */
export const endpointColumns: readonly Column[] = [
  name,
  { name: 'Endpoints', type: 'string', cell: endpointsText },
  ageOf,
]

function endpointsText(endpoints: KubeObject): string {
  const items = objectsIn(endpoints['subsets']).flatMap(subset => {
    const addresses = objectsIn(subset['addresses']).map(address => asText(address['ip']) ?? '')
    const ports = objectsIn(subset['ports'])
    const format = (ip: string, port: JsonObject): string => `${ip.includes(':') ? `[${ip}]` : ip}:${wordOf(port['port'])}`
    return ports.length === 0 ? addresses : ports.flatMap(port => addresses.map(ip => format(ip, port)))
  })
  return listText(items, '<none>')
}

/** The first three, and how many more. */
function listText(items: readonly string[], none: string): string {
  if (items.length === 0) return none
  return items.length <= 3 ? items.join(',') : `${items.slice(0, 3).join(',')} + ${items.length - 3} more...`
}
