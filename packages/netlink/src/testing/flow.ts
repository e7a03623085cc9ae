import { type IpAddress, ipToBytes } from '@weft/ip'
import { addressFamily } from '../address-bytes.ts'
import * as k from '../kernel-constants.gen.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../netlink-protocol.ts'
import type { NetlinkSocket } from '../socket.ts'
import { MessageWriter } from '../writer.ts'

/** A flow to be put into the kernel's table, as if its first packet had come. */
export interface FlowSpec {
  /** IP protocol number. */
  readonly protocol: number
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort: number
  readonly destinationPort: number
  /** Where DNAT sends it. IPv4 only. */
  readonly natTo?: IpAddress | undefined
  readonly mark?: number | undefined
  /** TCP_CONNTRACK_ state; wanted for TCP. */
  readonly tcpState?: number | undefined
  /** IPS_ bits. */
  readonly status?: number | undefined
  readonly timeoutSeconds: number
}

/** `conntrack -I …`, without the program. */
export function addFlow(socket: NetlinkSocket, spec: FlowSpec): void {
  const writer = new MessageWriter(256).putU8(addressFamily(spec.source)).putU8(0).putU16(0)
  putTuple(writer, k.CTA_TUPLE_ORIG, spec)
  putTuple(writer, k.CTA_TUPLE_REPLY, { ...spec, source: spec.destination, destination: spec.source, sourcePort: spec.destinationPort, destinationPort: spec.sourcePort })
  writer.attrU32be(k.CTA_TIMEOUT, spec.timeoutSeconds).attrU32be(k.CTA_STATUS, k.IPS_CONFIRMED | (spec.status ?? 0))
  if (spec.mark !== undefined) writer.attrU32be(k.CTA_MARK, spec.mark)
  if (spec.natTo !== undefined) writer.startNested(k.CTA_NAT_DST).attrBytes(k.CTA_NAT_V4_MINIP, ipToBytes(spec.natTo)).endNested()
  if (spec.tcpState !== undefined) writer.startNested(k.CTA_PROTOINFO).startNested(k.CTA_PROTOINFO_TCP).attrU8(k.CTA_PROTOINFO_TCP_STATE, spec.tcpState).endNested().endNested()
  socket.request({ operation: 'add flow', type: (k.NFNL_SUBSYS_CTNETLINK << 8) | k.IPCTNL_MSG_CT_NEW, flags: NLM_F_CREATE | NLM_F_EXCL, payload: writer.bytes() })
}

function putTuple(writer: MessageWriter, type: number, { source, destination, protocol, sourcePort, destinationPort }: FlowSpec): void {
  const [from, to] = source.family === 4 ? [k.CTA_IP_V4_SRC, k.CTA_IP_V4_DST] : [k.CTA_IP_V6_SRC, k.CTA_IP_V6_DST]
  writer.startNested(type)
  writer.startNested(k.CTA_TUPLE_IP).attrBytes(from, ipToBytes(source)).attrBytes(to, ipToBytes(destination)).endNested()
  writer.startNested(k.CTA_TUPLE_PROTO).attrU8(k.CTA_PROTO_NUM, protocol).attrU16be(k.CTA_PROTO_SRC_PORT, sourcePort).attrU16be(k.CTA_PROTO_DST_PORT, destinationPort).endNested()
  writer.endNested()
}
