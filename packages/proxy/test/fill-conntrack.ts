import { NetlinkSocket } from '@weft/netlink'

const type = { CTNETLINK_NEW: 1 << 8 } as const
const flags = { REQUEST: 1, EXCL: 0x200, CREATE: 0x400 } as const
const status = { SEEN_REPLY: 2, ASSURED: 4, CONFIRMED: 8 } as const
const nested = 0x8000
const perSend = 500

/** Makes so many UDP connections in a namespace that both sides have used: those the kernel does not give up for new ones. */
export async function fillConntrack(netns: string, count: number): Promise<void> {
  using socket = await NetlinkSocket.open('netfilter', { netns })
  for (let made = 0; made < count; made += perSend) {
    socket.sendRaw(Buffer.concat(Array.from({ length: Math.min(perSend, count - made) }, (_, index) => message(made + index))))
    // Of those that were one too many.
    while (socket.recvRaw() !== undefined);
  }
}

// conntrack -I -p udp -s 198.18.x.y -d 198.51.100.1 --sport 1 --dport 2 -t 600 -u ASSURED
function message(number: number): Buffer {
  const client = Buffer.of(198, 18 + (number >> 16), number >> 8, number)
  const server = Buffer.of(198, 51, 100, 1)
  const body = Buffer.concat([
    Buffer.of(2, 0, 0, 0),
    attribute(1 | nested, tuple(client, server, [1, 2])),
    attribute(2 | nested, tuple(server, client, [2, 1])),
    attribute(3, uint32(status.SEEN_REPLY | status.ASSURED | status.CONFIRMED)),
    attribute(7, uint32(600)),
  ])
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + body.length, 0)
  header.writeUInt16LE(type.CTNETLINK_NEW, 4)
  header.writeUInt16LE(flags.REQUEST | flags.CREATE | flags.EXCL, 6)
  return Buffer.concat([header, body])
}

function tuple(source: Buffer, destination: Buffer, ports: readonly [source: number, destination: number]): Buffer {
  const ip = Buffer.concat([attribute(1, source), attribute(2, destination)])
  const protocol = Buffer.concat([attribute(1, Buffer.of(17)), attribute(2, Buffer.of(0, ports[0])), attribute(3, Buffer.of(0, ports[1]))])
  return Buffer.concat([attribute(1 | nested, ip), attribute(2 | nested, protocol)])
}

function attribute(kind: number, value: Buffer): Buffer {
  const out = Buffer.alloc((4 + value.length + 3) & ~3)
  out.writeUInt16LE(4 + value.length, 0)
  out.writeUInt16LE(kind, 2)
  value.copy(out, 4)
  return out
}

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}
