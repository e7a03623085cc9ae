import { z } from 'zod'

/** What every program tells of itself. */
export interface ProgramStatus {
  /** In a container this is always the same number. */
  readonly pid: number
  /** Milliseconds since 1970: which process it is. */
  readonly startedAt: number
  readonly ready: boolean
  /** What it waits for while it is not ready. */
  readonly waiting: readonly string[]
}

/** What this process tells of itself. */
export function programStatus({ ready, waiting }: Pick<ProgramStatus, 'ready' | 'waiting'>): ProgramStatus {
  return { pid: process.pid, startedAt: Math.round(performance.timeOrigin), ready, waiting }
}

/** Features that write to the kernel of a node. */
export const kernelFeatures = ['cni', 'overlay', 'proxy', 'policy'] as const
export type KernelFeature = (typeof kernelFeatures)[number]

/** What a node's agent tells of itself. */
export interface AgentStatus extends ProgramStatus {
  /** Kernel objects and elements that each feature has written since this process started; 0 after a start that found all as wanted. */
  readonly kernelWrites: Readonly<Record<KernelFeature, number>>
  /** Attachments found in the store at start. */
  readonly adopted: number
}

/** What a replica of the controller tells of itself. */
export interface ControllerStatus extends ProgramStatus {
  /** Its name as a candidate. */
  readonly identity: string
  /** Whether it is the one that writes. */
  readonly leading: boolean
}

const program = { pid: z.int(), startedAt: z.number(), ready: z.boolean(), waiting: z.array(z.string()) }

export const agentStatusSchema: z.ZodType<AgentStatus> = z.object({ ...program, kernelWrites: z.record(z.enum(kernelFeatures), z.int()), adopted: z.int() })
export const controllerStatusSchema: z.ZodType<ControllerStatus> = z.object({ ...program, identity: z.string(), leading: z.boolean() })
