import type { NodeLine } from './cluster-file.ts'

/** A cluster of that size, both families; every other node is behind a router. */
export function manyNodes(count: number): NodeLine[] {
  return Array.from({ length: count }, (_, at) => {
    const number = at + 1
    const high = number >> 8
    const low = number & 0xff
    const segment = number % 2 === 1 ? 1 : 2
    return {
      name: `n${number}`,
      ips: [`172.${15 + segment}.${high}.${low}`, `fd00:172:${segment}::${number.toString(16)}`],
      podCIDRs: [`10.${64 + high}.${low}.0/24`, `fd00:10:${number.toString(16)}::/64`],
    }
  })
}
