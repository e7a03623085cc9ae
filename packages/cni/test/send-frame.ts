import type { TestNamespace } from '@weft/netlink/testing'

export interface FrameSpec {
  readonly to: string
  /** EtherType of what is inside. */
  readonly type: number
  /** Of an IPv4 packet. */
  readonly source?: string
  readonly destination?: string
  /** VLAN it is tagged with. */
  readonly tag?: number
  readonly outerTag?: number
}

const program = `
import json, socket, struct, sys
f = json.loads(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
tags = b''.join(struct.pack('!HH', 0x8100, f[t]) for t in ('outerTag', 'tag') if t in f)
body = b''
if 'source' in f:
    body = struct.pack('!BBHHHBBH', 0x45, 0, 28, 0, 0, 64, 17, 0) + socket.inet_aton(f['source']) + socket.inet_aton(f['destination'])
    total = sum(struct.unpack('!10H', body)); total = (total & 0xffff) + (total >> 16)
    body = body[:10] + struct.pack('!H', 0xffff - total) + body[12:] + struct.pack('!HHHH', 4000, 5000, 8, 0)
elif f['type'] == 0x86dd:
    body = struct.pack('!IHBB', 0x60000000, 8, 17, 255) + socket.inet_pton(socket.AF_INET6, 'fe80::66') + socket.inet_pton(socket.AF_INET6, 'ff02::1') + struct.pack('!HHHH', 4000, 5000, 8, 0)
s.send(bytes.fromhex(f['to'].replace(':', '')) + s.getsockname()[4] + tags + struct.pack('!H', f['type']) + body)
`

/** Sends a frame from the pod's interface as it is, whatever the pod's kernel thinks of it. */
export function sendFrame(from: TestNamespace, frame: FrameSpec): void {
  from.exec('python3', ['-c', program, JSON.stringify(frame)])
}
