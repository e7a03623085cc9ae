/** What `kubectl logs` asks for. */
export interface LogOptions {
  readonly follow: boolean
  /** Lines from the end; everything when absent. */
  readonly tailLines?: number | undefined
  readonly sinceSeconds?: number | undefined
  readonly timestamps: boolean
  readonly previous: boolean
  readonly limitBytes?: number | undefined
  readonly signal: AbortSignal
}

/** What `kubectl exec` asks for. */
export interface ExecOptions {
  readonly command: readonly string[]
  readonly tty: boolean
  /** What the client types; absent without `-i`. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined
  stdout(bytes: Uint8Array): void
  stderr(bytes: Uint8Array): void
  readonly signal: AbortSignal
}

/** Whoever runs the pods: the API server asks it for logs and passes commands to it. */
export interface PodRuntime {
  /**
   * A container's output.
   *
   * @param container Its name; the only one, or the first, when absent.
   */
  logs(namespace: string, name: string, container: string | undefined, options: LogOptions): AsyncIterable<Uint8Array>
  /** Runs a command in a container; gives its exit code. */
  exec?(namespace: string, name: string, container: string | undefined, options: ExecOptions): Promise<number>
}
