import { addressOf, networkOf } from '../validation/address.ts'

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/iu

/** What is wrong with a string by an OpenAPI format, or undefined; unknown formats accept everything. */
export function formatFault(text: string, format: string | undefined): string | undefined {
  const good = ((): boolean => {
    switch (format) {
      case 'ipv4': return addressOf(text)?.family === 4
      case 'ipv6': return addressOf(text)?.family === 6
      case 'cidr': return networkOf(text) !== undefined || /^[^/]+\/\d+$/u.test(text)
      case 'date-time': return !Number.isNaN(Date.parse(text)) && /^\d{4}-\d\d-\d\dT/u.test(text)
      case 'date': return /^\d{4}-\d\d-\d\d$/u.test(text)
      case 'uuid': return UUID.test(text)
      case 'byte': return /^[A-Za-z0-9+/]*={0,2}$/u.test(text)
      case 'hostname': return /^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$/u.test(text)
      default: return true
    }
  })()
  return good ? undefined : `must be of type ${format}: ${JSON.stringify(text)}`
}
