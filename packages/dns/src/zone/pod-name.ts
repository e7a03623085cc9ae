import { type IpAddress, parseIp } from '@weft/ip'

const dashed4 = /^\d{1,3}(?:-\d{1,3}){3}$/
const dashed6 = /^[\da-f-]{2,39}$/

/** `10-0-0-1` -> 10.0.0.1, `fd00--1` -> fd00::1; undefined for a label that is no address. */
export function addressOfLabel(label: string): IpAddress | undefined {
  try {
    if (dashed4.test(label)) return parseIp(label.replaceAll('-', '.'))
    return dashed6.test(label) ? parseIp(label.replaceAll('-', ':')) : undefined
  } catch {
    return undefined
  }
}
