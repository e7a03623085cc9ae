export { type AddressValue, partsOf, type PrefixValue, range, type RangeValue, type Scalar, type Tuple, type Value } from './value.ts'
export type { DataTypeName } from './data-type.ts'
export type { Expression, FibFlag, Lookup } from './expression.ts'
export { ct, type CtTuple, ether, fib, icmp, icmpv6, ip, ip6, jhash, meta, numgen, sctp, tcp, th, udp } from './fields.ts'
export { bitAnd, bitOr, bitXor, concat, lookup, lookupIn, replaceBits } from './combine.ts'
export { eq, ge, gt, hasAny, isIn, le, lt, ne, noneOf, notIn, oneOf, vmap, vmapOf } from './match.ts'
export {
  accept, addTo, assign, continueOn, counter, countIn, deleteFrom, dnat, drop, type DynamicOptions, goTo, jump, limit, log, masquerade, type NatTarget, notrack,
  redirect, reject, returnToCaller, setMark, snat, updateIn,
} from './action.ts'
export type { NatFlag, RejectReason, Statement, Verdict } from './statement.ts'
export { baseChain, chain, type CollectionOptions, type Comment, comment, map, namedCounter, namedPriority, rule, set, table, typeOf } from './declare.ts'
export type {
  BaseChain, Chain, CounterDeclaration, Hook, KeyType, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, SetFlag, Table, TableFamily, TableName,
} from './table.ts'
export { formatElement, formatRule, formatTable } from './format-table.ts'
export type { Operation } from './operation.ts'
export { Transaction } from './transaction.ts'
export type { ChainGraph, ChainJump, InTurns, Nft, NftInTurns, RuleState, SetOccupancy, TableEvent, TableState } from './nft.ts'
export { isNftAlreadyExists, isNftBusy, isNftNotFound, NftError, type NftErrorCode, type RefusedOperation } from './nft-error.ts'
export { NftSocket, type NftSocketOptions } from './nft-socket.ts'
export { diffElements } from './diff-elements.ts'
export { diffingTable, diffTable } from './diff-table.ts'
export { countRules } from './count-rules.ts'
export { recogniseRules, type StrangeRule } from './recognise-rules.ts'
export { traceTables } from './trace/trace-tables.ts'
export type { AskedRule, Trace, TraceConnection, TraceOptions, TracePacket, TraceStep } from './trace/tracer.ts'
export { watchTable, type WatchOptions } from './watch-table.ts'
