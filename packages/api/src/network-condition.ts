/** The condition of a Node that tells whether pods can be wired there. */
export const networkUnavailable = 'NetworkUnavailable'

/** Why it is as it is. Pods that Weft did not attach are no fault of the node: the condition is False all the same, and its message names them. */
export const networkReasons = { ready: 'WeftReady', notReady: 'WeftNotReady', podsNotAttached: 'PodsNotAttached' } as const

export type NetworkReason = (typeof networkReasons)[keyof typeof networkReasons]
