import { formatIp } from '@weft/ip'
import { formatRcode } from '../src/wire/codes.ts'
import type { Message } from '../src/wire/message.ts'
import { formatName } from '../src/wire/name.ts'
import type { ResourceRecord } from '../src/wire/record.ts'

/** A record as a zone file has it, without TTL and class. */
export function showRecord({ data, name }: ResourceRecord): string {
  const owner = formatName(name)
  switch (data.type) {
    case 'A':
    case 'AAAA':
      return `${owner} ${data.type} ${formatIp(data.address)}`
    case 'SRV':
      return `${owner} SRV ${data.priority} ${data.weight} ${data.port} ${formatName(data.target)}`
    case 'SOA':
      return `${owner} SOA`
    case 'TXT':
      return `${owner} TXT ${data.strings.map((text) => Buffer.from(text).toString()).join(' ')}`
    case 'other':
      return `${owner} TYPE${data.typeCode}`
    default:
      return `${owner} ${data.type} ${formatName(data.target)}`
  }
}

export interface Shown {
  readonly rcode: string
  /** Sorted: addresses turn from answer to answer. */
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
}

export function show(message: Message): Shown {
  return {
    rcode: formatRcode(message.rcode),
    answers: message.answers.map(showRecord).sort(),
    authorities: message.authorities.map(showRecord).sort(),
    additionals: message.additionals.map(showRecord).sort(),
  }
}
