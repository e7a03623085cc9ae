/** Where a node's agent tells its {@link AgentStatus}, as JSON, on its admin socket (HTTP). */
export const agentStatusPath = '/status'

/** What a node's agent tells of itself. */
export interface AgentStatus {
  /** In a container this is always the same number. */
  readonly pid: number
  /** Milliseconds since 1970: which process it is. */
  readonly startedAt: number
  readonly ready: boolean
  /** What it waits for while it is not ready. */
  readonly waiting: readonly string[]
  /** Kernel objects and elements this process has written since it started; 0 after a start that found all as wanted. */
  readonly kernelWrites: number
  /** Attachments found in the store at start. */
  readonly adopted: number
}
