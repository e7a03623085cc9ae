import { atomOf, prefixOf, type NumberAtom } from './atom.ts'
import { dataType, type DataTypeName } from './data-type.ts'
import { type Expression, type Payload, typesOf } from './expression.ts'
import { type ExpressionWriter, bytesOf, partOf, scalarBytes } from './expression-writer.ts'
import { flagBits } from './format-statement.ts'
import { layoutOf } from './layout.ts'
import * as nf from './nf-tables.ts'
import { type ResolvedStatement, isExpression } from './protocol-context.ts'
import type { Assignment, DynamicElement, FlagMatch, Limit, Log, Masquerade, Match, Nat, Reject, Statement, Verdict } from './statement.ts'
import type { TableFamily } from './table.ts'

/** Writes a statement, with the protocol matches it needs before it. */
export function encodeStatement(writer: ExpressionWriter, resolved: ResolvedStatement, family: TableFamily): void {
  if (resolved.network !== undefined) encodeNetwork(writer, resolved.network, family)
  if (resolved.transport !== undefined) {
    writer.load({ kind: 'meta', key: 'l4proto' }, 0)
    writer.compare(0, '==', Uint8Array.of(resolved.transport))
  }
  encode(writer, resolved.statement)
}

/** What meets a bridge's hooks belongs to no protocol of the network: its type tells. */
function encodeNetwork(writer: ExpressionWriter, network: 'ip' | 'ip6', family: TableFamily): void {
  if (family === 'bridge') {
    const type = dataType('ether_type').symbols.get(network)!
    writer.load({ kind: 'meta', key: 'protocol' }, 0)
    writer.compare(0, '==', Uint8Array.of(type >> 8, type & 0xff))
    return
  }
  writer.load({ kind: 'meta', key: 'nfproto' }, 0)
  writer.compare(0, '==', Uint8Array.of(nf.family[network]))
}

function encode(writer: ExpressionWriter, statement: Statement): void {
  switch (statement.kind) {
    case 'match': encodeMatch(writer, statement); break
    case 'flags': encodeFlags(writer, statement); break
    case 'membership': {
      writer.load(statement.left, 0)
      writer.lookup(0, { ...(typeof statement.set === 'string' ? { name: statement.set } : { of: statement }), negated: statement.negated })
      break
    }
    case 'vmap': {
      writer.load(statement.key, 0)
      writer.verdictLookup(0, typeof statement.map === 'string' ? { name: statement.map } : { of: statement })
      break
    }
    case 'verdict': encodeVerdict(writer, statement); break
    case 'nat': encodeNat(writer, statement); break
    case 'masquerade': encodeMasquerade(writer, statement); break
    case 'redirect':
      writer.immediate(0, port(statement.port))
      writer.step('redir', (out) => {
        out.attrU32be(nf.redirectAttr.portMin, writer.register(0)).attrU32be(nf.redirectAttr.portMax, writer.register(0))
          .attrU32be(nf.redirectAttr.flags, nf.natFlag.portSpecified)
      })
      break
    case 'set': encodeAssignment(writer, statement); break
    case 'dynamic': encodeDynamic(writer, statement); break
    case 'counter':
      writer.step('counter', (out) => out.attrU64be(nf.counterAttr.bytes, statement.bytes).attrU64be(nf.counterAttr.packets, statement.packets))
      break
    case 'named-counter':
      writer.step('objref', (out) => out.attrU32be(nf.objrefAttr.type, nf.OBJECT_COUNTER).attrString(nf.objrefAttr.name, statement.name))
      break
    case 'log': encodeLog(writer, statement); break
    case 'reject': encodeReject(writer, statement); break
    case 'limit': encodeLimit(writer, statement); break
    case 'notrack': writer.step('notrack', () => {}); break
  }
}

function encodeMatch(writer: ExpressionWriter, { left, op, right }: Match): void {
  const [name = 'integer'] = typesOf(left)
  const part = partOf(name, left)
  const atom = atomOf(part.type, right, part.bytes)
  if (atom.kind === 'text') {
    writer.load(left, 0)
    // A prefix comparison: shorter than the name, without its zero byte.
    writer.compare(0, op, atom.wildcard ? Buffer.from(atom.text) : scalarBytes(part, atom.text))
    return
  }
  if (atom.from === atom.to) {
    writer.load(left, 0)
    if (op !== '==' && op !== '!=' && part.type.byteOrder === 'host' && part.bytes > 1) {
      writer.toNetworkOrder(0, part.bytes)
      writer.compare(0, op, bytesOf(bigEndian(part), atom.from))
    } else writer.compare(0, op, bytesOf(part, atom.from))
    return
  }
  encodeSpan(writer, { left, op, atom, name })
}

function encodeSpan(writer: ExpressionWriter, { left, op, atom, name }: { left: Expression; op: Match['op']; atom: NumberAtom; name: DataTypeName }): void {
  const part = partOf(name, left)
  const isAddress = part.type.notation === 'ipv4' || part.type.notation === 'ipv6'
  const prefix = isAddress ? prefixOf(atom, part.bytes) : undefined
  if (prefix !== undefined && prefix > 0 && prefix % 8 === 0 && left.kind === 'payload') {
    // ip daddr 10.0.0.0/8 compares one byte only, as nft does.
    const short: Payload = { ...left, bytes: prefix / 8 }
    writer.load(short, 0)
    writer.compare(0, op, bytesOf(part, atom.from).subarray(0, prefix / 8))
    return
  }
  writer.load(left, 0)
  if (prefix !== undefined) {
    const mask = ((1n << BigInt(prefix)) - 1n) << BigInt(part.bytes * 8 - prefix)
    writer.bitwise(0, part, [mask, 0n])
    writer.compare(0, op, bytesOf(part, atom.from))
    return
  }
  const ordered = part.type.byteOrder === 'host' && part.bytes > 1 ? bigEndian(part) : part
  if (ordered !== part) writer.toNetworkOrder(0, part.bytes)
  if (op === '!=') writer.outsideRange(0, bytesOf(ordered, atom.from), bytesOf(ordered, atom.to))
  else {
    writer.compare(0, '>=', bytesOf(ordered, atom.from))
    writer.compare(0, '<=', bytesOf(ordered, atom.to))
  }
}

function bigEndian<P extends ReturnType<typeof partOf>>(part: P): P {
  return { ...part, type: { ...part.type, byteOrder: 'big' } }
}

function encodeFlags(writer: ExpressionWriter, { left, names }: FlagMatch): void {
  const [name = 'ct_state'] = typesOf(left)
  const part = partOf(name, left)
  writer.load(left, 0)
  writer.bitwise(0, part, [BigInt(flagBits(name, names)), 0n])
  writer.compare(0, '!=', bytesOf(part, 0n))
}

function encodeVerdict(writer: ExpressionWriter, verdict: Verdict): void {
  writer.step('immediate', (out) => {
    out.attrU32be(nf.immediateAttr.dreg, 0).startNested(nf.immediateAttr.data)
    writeVerdict(writer.out, verdict)
    out.endNested()
  })
}

/** The verdict attribute inside a data attribute. */
export function writeVerdict(out: ExpressionWriter['out'], verdict: Verdict): void {
  out.startNested(nf.dataAttr.verdict).attrU32be(nf.verdictAttr.code, nf.verdictCode[verdict.verdict])
  if (verdict.chain !== undefined) out.attrString(nf.verdictAttr.chain, verdict.chain)
  out.endNested()
}

function encodeNat(writer: ExpressionWriter, statement: Nat): void {
  const types: readonly DataTypeName[] = [statement.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr']
  const addressSlots = statement.family === 'ip' ? 1 : 4
  let flags: number = nf.natFlag.mapAddresses
  let ports: readonly [number, number] | undefined
  let lastAddress = 0
  if (isExpression(statement.address)) {
    writer.load(statement.address, 0, types)
    if (typesOf(statement.address).length > 1) ports = [addressSlots, addressSlots]
  } else {
    const part = layoutOf(types).parts[0]!
    const atom = atomOf(part.type, statement.address)
    if (atom.kind === 'number') {
      writer.immediate(0, bytesOf(part, atom.from))
      if (atom.to !== atom.from) {
        lastAddress = addressSlots
        writer.immediate(lastAddress, bytesOf(part, atom.to))
      }
    }
  }
  if (statement.port !== undefined) {
    const first = lastAddress + addressSlots
    const { from, to } = typeof statement.port === 'number' ? { from: statement.port, to: statement.port } : statement.port
    writer.immediate(first, port(from))
    if (from === to) ports = [first, first]
    else {
      writer.immediate(first + 1, port(to))
      ports = [first, first + 1]
    }
  }
  if (ports) flags |= nf.natFlag.portSpecified
  for (const flag of statement.flags) flags |= nf.natFlag[flag]
  writer.step('nat', (out) => {
    out.attrU32be(nf.natAttr.type, nf.natType[statement.type]).attrU32be(nf.natAttr.family, nf.family[statement.family])
      .attrU32be(nf.natAttr.addressMin, writer.register(0)).attrU32be(nf.natAttr.addressMax, writer.register(lastAddress))
    if (ports) out.attrU32be(nf.natAttr.portMin, writer.register(ports[0])).attrU32be(nf.natAttr.portMax, writer.register(ports[1]))
    out.attrU32be(nf.natAttr.flags, flags)
  })
}

function encodeMasquerade(writer: ExpressionWriter, { port: ports, flags: names }: Masquerade): void {
  let flags = ports ? nf.natFlag.portSpecified : 0
  for (const name of names) flags |= nf.natFlag[name]
  if (ports) {
    writer.immediate(0, port(ports.from))
    writer.immediate(1, port(ports.to))
  }
  writer.step('masq', (out) => {
    if (flags !== 0) out.attrU32be(nf.masqueradeAttr.flags, flags)
    if (ports) out.attrU32be(nf.masqueradeAttr.portMin, writer.register(0)).attrU32be(nf.masqueradeAttr.portMax, writer.register(1))
  })
}

function encodeAssignment(writer: ExpressionWriter, { target, value }: Assignment): void {
  writer.load(value, 0, typesOf(target))
  const sreg = writer.register(0)
  switch (target.kind) {
    case 'meta': writer.step('meta', (out) => out.attrU32be(nf.metaAttr.key, nf.metaKey[target.key]).attrU32be(nf.metaAttr.sreg, sreg)); break
    case 'ct': writer.step('ct', (out) => out.attrU32be(nf.ctAttr.key, nf.ctKey[target.key]).attrU32be(nf.ctAttr.sreg, sreg)); break
    case 'payload': {
      const { type, offset, flags } = checksumOf(target)
      writer.step('payload', (out) => {
        out.attrU32be(nf.payloadAttr.sreg, sreg).attrU32be(nf.payloadAttr.base, nf.payloadBase[target.base]).attrU32be(nf.payloadAttr.offset, target.offset)
          .attrU32be(nf.payloadAttr.length, target.bytes).attrU32be(nf.payloadAttr.checksumType, type).attrU32be(nf.payloadAttr.checksumOffset, offset)
        if (flags !== 0) out.attrU32be(nf.payloadAttr.checksumFlags, flags)
      })
      break
    }
  }
}

/**
 * Which checksum a payload write mends: type 1 is the internet checksum at `offset` of the same header, flag 1 the transport checksum whose pseudo header holds
 * the addresses. Of the transports nft mends TCP and UDP; for `th` it does not know where the checksum lies.
 */
function checksumOf({ protocol, field }: Payload): { readonly type: number; readonly offset: number; readonly flags: number } {
  const isAddress = field === 'saddr' || field === 'daddr'
  switch (protocol) {
    case 'ip': return { type: 1, offset: 10, flags: isAddress ? 1 : 0 }
    case 'ip6': return { type: 0, offset: 0, flags: isAddress ? 1 : 0 }
    case 'tcp': return { type: 1, offset: 16, flags: 0 }
    case 'udp': return { type: 1, offset: 6, flags: 0 }
    case 'icmp': case 'icmpv6': return { type: 1, offset: 2, flags: 0 }
    case 'th': case 'sctp': case 'ether': return { type: 0, offset: 0, flags: 0 }
  }
}

function encodeDynamic(writer: ExpressionWriter, { operation, set, key, timeoutMs, data }: DynamicElement): void {
  const used = writer.load(key, 0)
  if (data) writer.load(data, dataSlot(used))
  writer.step('dynset', (out) => {
    out.attrU32be(nf.dynsetAttr.keyRegister, writer.register(0))
    if (data) out.attrU32be(nf.dynsetAttr.dataRegister, writer.register(dataSlot(used)))
    out.attrU32be(nf.dynsetAttr.op, nf.dynsetOp[operation])
    if (timeoutMs !== undefined) out.attrU64be(nf.dynsetAttr.timeout, timeoutMs)
    out.attrString(nf.dynsetAttr.setName, set)
  })
}

/** Data of a dynamic map starts at the next sixteen-byte register, as nft has it, unless the key leaves no room. */
function dataSlot(used: number): number {
  const aligned = (used + 3) & ~3
  return aligned < 16 ? aligned : used
}

function encodeLog(writer: ExpressionWriter, { prefix, level, group }: Log): void {
  writer.step('log', (out) => {
    if (prefix !== undefined) out.attrString(nf.logAttr.prefix, prefix)
    if (group !== undefined) out.attrU16be(nf.logAttr.group, group)
    else if (level !== undefined) out.attrU32be(nf.logAttr.level, nf.logLevel[level])
  })
}

const icmpxCode: Readonly<Record<string, number>> = { 'icmpx no-route': 0, 'icmpx port-unreachable': 1, 'icmpx host-unreachable': 2, 'icmpx admin-prohibited': 3 }

function encodeReject(writer: ExpressionWriter, statement: Reject): void {
  const code = icmpxCode[statement.with]
  writer.step('reject', (out) => {
    out.attrU32be(nf.rejectAttr.type, code === undefined ? 1 : 2)
    out.attrU8(nf.rejectAttr.code, code ?? 0)
  })
}

const secondsPer = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const

function encodeLimit(writer: ExpressionWriter, { rate, per, burst, unit, over }: Limit): void {
  writer.step('limit', (out) => {
    out.attrU64be(nf.limitAttr.rate, rate).attrU64be(nf.limitAttr.unit, secondsPer[per]).attrU32be(nf.limitAttr.burst, burst).attrU32be(nf.limitAttr.type, unit === 'bytes' ? 1 : 0)
      .attrU32be(nf.limitAttr.flags, over ? 1 : 0)
  })
}

function port(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 255)
}
