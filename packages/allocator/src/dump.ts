import { formatCidr, formatIp } from '@weft/ip'
import type { AddressRange } from './address-range.ts'
import type { AttachmentRecord } from './model.ts'

/** Ranges with their fill, then one line per attachment, in a stable order. */
export function formatDump(mode: string, ranges: readonly AddressRange[], attachments: readonly AttachmentRecord[]): string {
  const rangeLines = ranges.map((range) => `range ${formatCidr(range.cidr)} used ${range.capacity - range.free} of ${range.capacity}`)
  const lines = attachments.map(({ ips, namespace, name, containerId, ifname, hostIfname, state }) =>
    `${ips.map(formatIp).join(' ')} ${namespace}/${name} ${ifname} ${hostIfname} ${state} ${containerId}`)
  return [`mode ${mode}`, ...rangeLines, ...lines.sort()].map((line) => `${line}\n`).join('')
}
