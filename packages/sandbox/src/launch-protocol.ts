import type { SandboxErrorCode } from './errors.ts'
import type { AddressFamilies } from './underlay/topology.ts'

/** What the host side tells init; the listening socket on 127.0.0.1 travels with `start`. */
export type ToInit =
  | { readonly kind: 'start', readonly options: InitOptions }
  /** The launcher is content and goes: from now on its death means nothing. */
  | { readonly kind: 'release' }

export interface InitOptions {
  readonly stateDir: string
  readonly nodeCount: number
  readonly family: AddressFamilies
  /** `https://127.0.0.1:<port>` of the socket handed over. */
  readonly server: string
  readonly cni?: ForeignCni | undefined
  /** Path of the compiled CNI plugin, or `twin`. */
  readonly plugin: string
  readonly programs?: ProgramConfigs | undefined
}

/** Configuration of Weft's programs, laid over what the sandbox gives them: keys as in their configuration files. */
export interface ProgramConfigs {
  readonly agent?: object | undefined
  readonly dns?: object | undefined
  readonly controller?: object | undefined
}

/** Another network than Weft's: its plugins wire the pods, and none of Weft's programs run. */
export interface ForeignCni {
  /** Folder with the plugins' binaries. */
  readonly binFolder: string
  /** The conflist of each node, by the node's name. */
  readonly conflists: Readonly<Record<string, object>>
}

/** What init tells the host side. */
export type FromInit =
  | { readonly kind: 'listening' }
  | { readonly kind: 'progress', readonly message: string }
  | { readonly kind: 'ready' }
  /** The answer to `release`. */
  | { readonly kind: 'released' }
  | { readonly kind: 'failed', readonly code: SandboxErrorCode, readonly message: string }
