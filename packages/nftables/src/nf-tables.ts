// Read first: linux/netfilter/nf_tables.h. Names follow it, without the NFT prefixes that repeat.

export const SUBSYSTEM = 10
/** Multicast group of what commits did: NFNLGRP_NFTABLES. */
export const GROUP = 7
export const BATCH_BEGIN = 0x10
export const BATCH_END = 0x11

export const message = {
  newTable: 0, getTable: 1, delTable: 2, newChain: 3, getChain: 4, delChain: 5, newRule: 6, getRule: 7, delRule: 8, newSet: 9, getSet: 10, delSet: 11,
  newSetElement: 12, getSetElement: 13, delSetElement: 14, newGeneration: 15, getGeneration: 16, newObject: 18, getObject: 19, delObject: 20, newFlowtable: 22,
  delFlowtable: 24,
  // Kernel 6.3 and later.
  destroyTable: 26, destroyChain: 27, destroyRule: 28, destroySet: 29, destroySetElement: 30, destroyObject: 31,
} as const

export const family = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const

export const hook = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 5, egress: 1 } as const

export const listAttr = { element: 1 } as const
export const tableAttr = { name: 1, flags: 2, use: 3, handle: 4, userdata: 6 } as const
export const chainAttr = { table: 1, handle: 2, name: 3, hook: 4, policy: 5, use: 6, type: 7, flags: 10, id: 11, userdata: 12 } as const
export const hookAttr = { number: 1, priority: 2, device: 3 } as const
export const ruleAttr = { table: 1, chain: 2, handle: 3, expressions: 4, position: 6, userdata: 7, id: 9, positionId: 10 } as const
export const setAttr = {
  table: 1, name: 2, flags: 3, keyType: 4, keyLength: 5, dataType: 6, dataLength: 7, policy: 8, description: 9, id: 10, timeout: 11, gcInterval: 12, userdata: 13,
  objectType: 15, handle: 16, expression: 17, expressions: 18, type: 19, count: 20,
} as const
export const setDescriptionAttr = { size: 1, concat: 2 } as const
export const setFieldAttr = { length: 1 } as const
export const elementListAttr = { table: 1, set: 2, elements: 3, setId: 4 } as const
export const elementAttr = { key: 1, data: 2, flags: 3, timeout: 4, expiration: 5, userdata: 6, expression: 7, keyEnd: 10, expressions: 11 } as const
export const objectAttr = { table: 1, name: 2, type: 3, data: 4, use: 5, handle: 6, userdata: 8 } as const
export const dataAttr = { value: 1, verdict: 2 } as const
export const verdictAttr = { code: 1, chain: 2 } as const
export const expressionAttr = { name: 1, data: 2 } as const

export const setFlag = { anonymous: 0x1, constant: 0x2, interval: 0x4, map: 0x8, timeout: 0x10, dynamic: 0x20, object: 0x40, concat: 0x80, expression: 0x100 } as const
export const elementFlag = { intervalEnd: 1, catchAll: 2 } as const

/** Data type of verdict maps. */
export const VERDICT_TYPE = 0xffffff00
/** Object type of counters. */
export const OBJECT_COUNTER = 1

export const verdictCode = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const

export const immediateAttr = { dreg: 1, data: 2 } as const
export const metaAttr = { dreg: 1, key: 2, sreg: 3 } as const
export const metaKey = {
  length: 0, protocol: 1, priority: 2, mark: 3, iif: 4, oif: 5, iifname: 6, oifname: 7, iiftype: 8, oiftype: 9, skuid: 10, skgid: 11, nftrace: 12, nfproto: 15, l4proto: 16,
  pkttype: 19,
} as const
export const payloadAttr = { dreg: 1, base: 2, offset: 3, length: 4, sreg: 5, checksumType: 6, checksumOffset: 7, checksumFlags: 8 } as const
export const payloadBase = { link: 0, network: 1, transport: 2 } as const
export const compareAttr = { sreg: 1, op: 2, data: 3 } as const
export const compareOp = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 } as const
export const rangeAttr = { sreg: 1, op: 2, from: 3, to: 4 } as const
export const bitwiseAttr = { sreg: 1, dreg: 2, length: 3, mask: 4, xor: 5 } as const
export const byteorderAttr = { sreg: 1, dreg: 2, op: 3, length: 4, size: 5 } as const
export const lookupAttr = { set: 1, sreg: 2, dreg: 3, setId: 4, flags: 5 } as const
export const ctAttr = { dreg: 1, key: 2, direction: 3, sreg: 4 } as const
export const ctKey = {
  state: 0, direction: 1, status: 2, mark: 3, l3proto: 7, protocol: 10, 'proto-src': 11, 'proto-dst': 12, packets: 14, bytes: 15, zone: 17, 'ip saddr': 19, 'ip daddr': 20,
  'ip6 saddr': 21, 'ip6 daddr': 22,
} as const
export const natAttr = { type: 1, family: 2, addressMin: 3, addressMax: 4, portMin: 5, portMax: 6, flags: 7 } as const
export const natType = { snat: 0, dnat: 1 } as const
export const natFlag = { mapAddresses: 1, portSpecified: 2, random: 4, persistent: 8, 'fully-random': 16 } as const
export const masqueradeAttr = { flags: 1, portMin: 2, portMax: 3 } as const
export const redirectAttr = { portMin: 1, portMax: 2, flags: 3 } as const
export const counterAttr = { bytes: 1, packets: 2 } as const
export const logAttr = { group: 1, prefix: 2, snapLength: 3, threshold: 4, level: 5 } as const
export const logLevel = { emerg: 0, alert: 1, crit: 2, err: 3, warn: 4, notice: 5, info: 6, debug: 7 } as const
export const rejectAttr = { type: 1, code: 2 } as const
export const limitAttr = { rate: 1, unit: 2, burst: 3, type: 4, flags: 5 } as const
export const numgenAttr = { dreg: 1, modulus: 2, type: 3, offset: 4 } as const
export const hashAttr = { sreg: 1, dreg: 2, length: 3, modulus: 4, seed: 5, offset: 6, type: 7 } as const
export const fibAttr = { dreg: 1, result: 2, flags: 3 } as const
export const fibResult = { oif: 1, oifname: 2, type: 3 } as const
export const fibFlag = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16, present: 32 } as const
export const dynsetAttr = { setName: 1, setId: 2, op: 3, keyRegister: 4, dataRegister: 5, timeout: 6 } as const
export const dynsetOp = { add: 0, update: 1, delete: 2 } as const
export const objrefAttr = { type: 1, name: 2 } as const
