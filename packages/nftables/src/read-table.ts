import { atOnce, type Attributes, decodeAttributes, isNotFound, MessageWriter, NetlinkError, type NetlinkMessage, type NetlinkRequest, type NetlinkSocket } from '@weft/netlink'
import { type DataTypeName, dataTypeById } from './data-type.ts'
import { typesOf } from './expression.ts'
import * as nf from './nf-tables.ts'
import { NftError } from './nft-error.ts'
import type { RuleState, TableState } from './nft.ts'
import { readElements } from './read-elements.ts'
import type { Chain, CounterDeclaration, Hook, MapDeclaration, MapElement, SetDeclaration, SetElement, SetFlag, TableName } from './table.ts'
import { FINGERPRINT_TLV, readComment, readTlvs, setTlv } from './userdata.ts'
import { keyFromTypeof } from './read-typeof.ts'

const GENERIC_HEADER = 4
const ATTEMPTS = 4
const RESIZE_ATTEMPTS = 10

/** Reads a whole table as it was at one moment. If a commit of any program came between its parts, it is read again. */
export function readTable(socket: NetlinkSocket, name: TableName): TableState | undefined {
  let last: number | undefined
  const hasChanged = (): boolean => {
    const before = last
    last = generation(socket)
    return last !== before
  }
  return atOnce(readingTable(socket, name, hasChanged))
}

/**
 * {@link readTable}, interrupted where it has done a little; nobody else may ask the socket for a dump meanwhile.
 *
 * @param hasChanged Whether the table may have been changed since it was asked last.
 * @throws {NftError} EINTR if it is changed under each of four readings: parts of different moments are no table that ever was.
 */
export function* readingTable(socket: NetlinkSocket, name: TableName, hasChanged: () => boolean): Generator<void, TableState | undefined> {
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      hasChanged()
      const state = yield* readOnce(socket, name)
      if (!hasChanged()) return state
    }
    throw new NftError('ERR_NFT_READ_FAILED', `Cannot read table "${name.family} ${name.name}": it was changed ${ATTEMPTS} times while it was read, wanted a moment of peace`, { errno: 'EINTR' })
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error
    throw new NftError('ERR_NFT_READ_FAILED', `Cannot read table "${name.family} ${name.name}": ${error.message}`, { cause: error, errno: error.code })
  }
}

function* readOnce(socket: NetlinkSocket, name: TableName): Generator<void, TableState | undefined> {
  const own = attributesOf(getTable(socket, name))
  if (own === undefined) return undefined
  const dump = (type: number, table: number): Generator<void, readonly NetlinkMessage[]> => socket.dumping(readRequest(type, name, (out) => out.attrString(table, name.name)))
  const comment = readComment(readTlvs(own.bytes(nf.tableAttr.userdata)))
  const counters = (yield* dump(nf.message.getObject, nf.objectAttr.table)).flatMap(readCounter)
  // The kernel gives chains of all tables of the family.
  const chains = (yield* dump(nf.message.getChain, nf.chainAttr.table)).flatMap((message) => readChain(name, message))
  const sets: SetDeclaration[] = []
  const maps: MapDeclaration[] = []
  for (const message of yield* dump(nf.message.getSet, nf.setAttr.table)) {
    const declaration = readSet(message)
    if (declaration === undefined) continue
    const elements = yield* elementsOf(socket, name, declaration)
    if (declaration.kind === 'set') sets.push({ ...declaration, elements })
    else maps.push({ ...declaration, elements: elements.filter((element) => 'data' in element) })
  }
  const rules = new Map<string, RuleState[]>(chains.map((chain) => [chain.name, []]))
  for (const message of yield* dump(nf.message.getRule, nf.ruleAttr.table)) readRule(message, rules)
  return { name, table: { ...name, ...(comment === undefined ? {} : { comment }), counters, sets, maps, chains }, rules }
}

/** All elements of a set, read again while the kernel is making its hash table larger or smaller. */
function* elementsOf(socket: NetlinkSocket, name: TableName, declaration: SetDeclaration | MapDeclaration): Generator<void, readonly (SetElement | MapElement)[]> {
  const request = readRequest(nf.message.getSetElement, name, (out) => out.attrString(nf.elementListAttr.table, name.name).attrString(nf.elementListAttr.set, declaration.name))
  for (let attempt = 1; attempt <= RESIZE_ATTEMPTS; attempt++) {
    const elements = yield* readElements(declaration, yield* socket.dumping(request))
    if (elements !== undefined) return elements
  }
  throw new NftError('ERR_NFT_READ_FAILED', `Cannot read ${declaration.kind} "${declaration.name}" of table "${name.family} ${name.name}": elements came twice in each of ${RESIZE_ATTEMPTS} readings`, { errno: 'EINTR' })
}

/** Undefined if there is no such table. */
export function getTable(socket: NetlinkSocket, name: TableName): NetlinkMessage | undefined {
  try {
    return socket.request(readRequest(nf.message.getTable, name, (out) => out.attrString(nf.tableAttr.name, name.name)))[0]
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

function attributesOf(message: NetlinkMessage | undefined): Attributes | undefined {
  return message === undefined ? undefined : decodeAttributes(message.payload, GENERIC_HEADER)
}

export function readRequest(type: number, name: TableName, write: (out: MessageWriter) => void): NetlinkRequest {
  const out = new MessageWriter().putU8(nf.family[name.family]).putU8(0).putU16be(0)
  write(out)
  return { operation: `read table "${name.family} ${name.name}"`, type: (nf.SUBSYSTEM << 8) | type, flags: 0, payload: out.bytes() }
}

/** Number of commits so far, of all programs. */
function generation(socket: NetlinkSocket): number {
  return attributesOf(getGeneration(socket))?.u32be(1) ?? 0
}

function getGeneration(socket: NetlinkSocket): NetlinkMessage | undefined {
  const payload = new MessageWriter().putU32(0).bytes()
  return socket.request({ operation: 'read nftables generation', type: (nf.SUBSYSTEM << 8) | nf.message.getGeneration, flags: 0, payload })[0]
}

/** Port id of a socket: the kernel writes it into every answer. */
export function portOf(socket: NetlinkSocket): number {
  return getGeneration(socket)?.port ?? 0
}

function readCounter(message: NetlinkMessage): CounterDeclaration[] {
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER)
  const name = attributes.string(nf.objectAttr.name)
  if (name === undefined || attributes.u32be(nf.objectAttr.type) !== nf.OBJECT_COUNTER) return []
  const data = attributes.nested(nf.objectAttr.data)
  const comment = readComment(readTlvs(attributes.bytes(nf.objectAttr.userdata)))
  return [{
    kind: 'counter', name, packets: data?.u64be(nf.counterAttr.packets) ?? 0n, bytes: data?.u64be(nf.counterAttr.bytes) ?? 0n,
    ...(comment === undefined ? {} : { comment }),
  }]
}

const baseTypes = ['filter', 'nat', 'route'] as const
const hookNames: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting', 'ingress']

function readChain(table: TableName, message: NetlinkMessage): Chain[] {
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER)
  if (attributes.string(nf.chainAttr.table) !== table.name) return []
  const name = attributes.string(nf.chainAttr.name) ?? ''
  const comment = readComment(readTlvs(attributes.bytes(nf.chainAttr.userdata)))
  const hook = attributes.nested(nf.chainAttr.hook)
  const shared = { name, rules: [], ...(comment === undefined ? {} : { comment }) }
  if (hook === undefined) return [shared]
  const number = hook.u32be(nf.hookAttr.number) ?? 0
  const device = hook.string(nf.hookAttr.device)
  return [{
    ...shared,
    base: {
      type: baseTypes.find((type) => type === attributes.string(nf.chainAttr.type)) ?? 'filter',
      hook: table.family === 'netdev' ? (number === 0 ? 'ingress' : 'egress') : hookNames[number]!,
      priority: (hook.u32be(nf.hookAttr.priority) ?? 0) | 0,
      policy: attributes.u32be(nf.chainAttr.policy) === 0 ? 'drop' : 'accept',
      ...(device === undefined ? {} : { device }),
    },
  }]
}

function readRule(message: NetlinkMessage, rules: Map<string, RuleState[]>): void {
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER)
  const chain = attributes.string(nf.ruleAttr.chain)
  const handle = attributes.u64be(nf.ruleAttr.handle)
  if (chain === undefined || handle === undefined) return
  const tlvs = readTlvs(attributes.bytes(nf.ruleAttr.userdata))
  const own = tlvs.get(FINGERPRINT_TLV)
  const state: RuleState = { handle, fingerprint: own === undefined ? undefined : Buffer.from(own).toString('hex'), comment: readComment(tlvs), counter: counterOf(attributes) }
  const list = rules.get(chain)
  if (list) list.push(state)
  else rules.set(chain, [state])
}

/** The one part of a rule that the kernel writes. */
function counterOf(rule: Attributes): RuleState['counter'] {
  const expression = rule.nested(nf.ruleAttr.expressions)?.list().find((each) => each.string(nf.expressionAttr.name) === 'counter')
  const data = expression?.nested(nf.expressionAttr.data)
  return data === undefined ? undefined : { packets: data.u64be(nf.counterAttr.packets) ?? 0n, bytes: data.u64be(nf.counterAttr.bytes) ?? 0n }
}

const flagNames = ['constant', 'dynamic', 'interval', 'timeout'] as const satisfies readonly SetFlag[]

function readSet(message: NetlinkMessage): SetDeclaration | MapDeclaration | undefined {
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER)
  const bits = attributes.u32be(nf.setAttr.flags) ?? 0
  if ((bits & (nf.setFlag.anonymous | nf.setFlag.object)) !== 0) return undefined
  const tlvs = readTlvs(attributes.bytes(nf.setAttr.userdata))
  const key = keyFromTypeof(tlvs.get(setTlv.keyTypeof)) ?? typesOfWord(attributes.u32be(nf.setAttr.keyType) ?? 0)
  const size = attributes.nested(nf.setAttr.description)?.u32be(nf.setDescriptionAttr.size)
  const timeout = attributes.u64be(nf.setAttr.timeout)
  const comment = readComment(tlvs, setTlv.comment)
  const shared = {
    name: attributes.string(nf.setAttr.name) ?? '',
    key,
    flags: flagNames.filter((flag) => (bits & nf.setFlag[flag]) !== 0),
    counter: attributes.has(nf.setAttr.expression),
    elements: [],
    ...(size === undefined ? {} : { size }),
    ...(timeout === undefined ? {} : { timeoutMs: Number(timeout) }),
    ...(comment === undefined ? {} : { comment }),
  }
  if ((bits & nf.setFlag.map) === 0) return { kind: 'set', ...shared }
  const word = attributes.u32be(nf.setAttr.dataType) ?? 0
  if (word === nf.VERDICT_TYPE) return { kind: 'map', ...shared, data: 'verdict' }
  const typed = keyFromTypeof(tlvs.get(setTlv.dataTypeof))
  return { kind: 'map', ...shared, data: typed === undefined ? typesOfWord(word) : typed.typeof.flatMap(typesOf) }
}

/** Types of a type number, six bits each; those we do not know read as integers. */
function typesOfWord(word: number): readonly DataTypeName[] {
  const types: DataTypeName[] = []
  for (let rest = word; rest > 0; rest = Math.floor(rest / 64)) types.unshift(dataTypeById(rest % 64)?.name ?? 'integer')
  return types
}
