// Commits one of two clusters after the other, for ever: something to be killed in the middle. Argument: how many Services.
import { formatIp, ipFromBits } from '@weft/ip'
import { NftSocket } from '@weft/nftables'
import { node, service, slice } from './cluster.ts'
import { running } from './running.ts'

/** Services of one backend each, another one in every generation. */
export function generation(number: number, services: number): readonly object[] {
  return [node('here'), ...Array.from({ length: services }, (_, index) => [
    service(`many/s${index}`, [formatIp(ipFromBits(4, 0x0a60_0000n + BigInt(index)))]),
    slice(`many/s${index}`, [`10.244.${1 + number}.5`, ...(number === 0 ? [] : ['10.244.9.9'])]),
  ]).flat()]
}

if (import.meta.main) {
  using nft = NftSocket.openHere()
  for (let number = 0; ; number = 1 - number) {
    await using _run = await running(generation(number, Number(process.argv[2])), { nft })
    process.stdout.write('committed\n')
  }
}
