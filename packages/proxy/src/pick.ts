// How a virtual port's answer is written as one number, which travels as skb priority: nft prints 3 as `0:3`, and 0x10002 as `1:2`.

/** Nobody serves: refuse at once, so that the client need not wait (SVC-31). */
export const refuseCode = 0
/** The list of backends on this node; its backends have an index from this number on. */
export const localFlag = 0x1_0000
/** More backends than these get no connections: numbers end where `localFlag` begins. */
export const maxBackends = 0xffff
/** Nobody serves on this node, but others do: drop (SVC-33, SVC-34). */
export const dropCode = 0x1_0000

/** Whether it takes a chain that picks one of several. The others are always there. */
export function isPicking(code: number): boolean {
  return (code & 0xffff) !== 0
}
