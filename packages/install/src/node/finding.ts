/** What was found on a node or in a cluster before an installation. */
export interface Finding {
  /** Stable, for scripts: `kernel`, `forward-drop`. */
  readonly name: string
  /** `fail`: pods would have no network; `warn`: something will not work, or must be done by hand; `ok`: as wanted. */
  readonly level: 'ok' | 'warn' | 'fail'
  /** What is there. */
  readonly detail: string
  /** What to do about it; absent when all is well. */
  readonly remedy?: string | undefined
}

export const fine = (name: string, detail: string): Finding => ({ name, level: 'ok', detail })
export const warning = (name: string, detail: string, remedy: string): Finding => ({ name, level: 'warn', detail, remedy })
export const failure = (name: string, detail: string, remedy: string): Finding => ({ name, level: 'fail', detail, remedy })
