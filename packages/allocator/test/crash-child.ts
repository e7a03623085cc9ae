/** Allocates and releases at random until killed; prints one line per operation once it is durable. */
import { writeSync } from 'node:fs'
import { createRegistry } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { formatIp, parseCidr } from '@weft/ip'
import { Allocator } from '../src/allocator.ts'
import { parsePodUid } from '@weft/api'

const [storePath = '', prefix = '', seed = ''] = process.argv.slice(2)
let state = Number(seed)
const random = (below: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return (state >>> 8) % below
}

/** Waits where nobody reads: process.stdout would keep the line, and lose it with the process. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

const allocator = await Allocator.open({ storePath, logger: silentLogger, registry: createRegistry() })
allocator.setRanges([parseCidr('10.1.2.0/26'), parseCidr('fd00:1::/64')])
const held = allocator.attachments().filter(({ state }) => state !== 'releasing').map(({ containerId }) => containerId)
say('ready')

async function allocate(containerId: string): Promise<void> {
  const { addresses, committed } = await allocator.allocate({ containerId, ifname: 'eth0', pod: { namespace: 'n', name: 'p', uid: parsePodUid('u') }, hostIfname: 'weft0', netns: '/x' })
  await committed
  say(`+ ${containerId} ${addresses.map(formatIp).join(' ')}`)
  held.push(containerId)
}

async function release(): Promise<void> {
  const [containerId = ''] = held.splice(random(held.length), 1)
  say(`? ${containerId}`)
  await allocator.release({ containerId, ifname: 'eth0' })
  say(`- ${containerId}`)
}

for (let count = 0; ; count += 1) {
  await Promise.all(Array.from({ length: 1 + random(6) }, (_, index) => held.length > 20 && random(2) === 0 ? release() : allocate(`${prefix}-${count}-${index}`).catch(() => held.length > 0 ? release() : undefined)))
}
