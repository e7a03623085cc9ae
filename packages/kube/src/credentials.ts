import { readFile } from 'node:fs/promises'
import type { Clock } from '@weft/daemon'
import { KubeError } from './errors.ts'

/** Says who we are with each request. */
export interface Authorizer {
  /**
   * @param fresh True after a 401: do not answer from memory.
   * @returns The `authorization` header, or undefined to send none.
   */
  authorization(fresh: boolean): Promise<string | undefined>
}

export function staticToken(token: string): Authorizer {
  return { authorization: () => Promise.resolve(`Bearer ${token}`) }
}

export const anonymous: Authorizer = { authorization: () => Promise.resolve(undefined) }

/** How long a token read from a file is used without looking again; the kubelet replaces it at 80 % of its life. */
const rereadMs = 60_000

/** Bearer token in a file that somebody else (the kubelet) replaces. */
export class FileToken implements Authorizer {
  readonly #path: string
  readonly #clock: Pick<Clock, 'now'>
  #token: string | undefined
  #readAt = -Infinity

  constructor(path: string, clock: Pick<Clock, 'now'>) {
    this.#path = path
    this.#clock = clock
  }

  async authorization(fresh: boolean): Promise<string> {
    if (this.#token === undefined || fresh || this.#clock.now() - this.#readAt >= rereadMs) {
      try {
        const text = (await readFile(this.#path, 'utf8')).trim()
        if (text === '') throw new KubeError('ERR_KUBE_CONFIG', `Cannot use token file "${this.#path}": it is empty, want a bearer token`)
        this.#token = text
        this.#readAt = this.#clock.now()
      } catch (error) {
        // The kubelet swaps the file by rename; a moment without it must not cost us the token we have.
        if (this.#token === undefined || fresh) {
          throw error instanceof KubeError ? error : new KubeError('ERR_KUBE_CONFIG', `Cannot read token file "${this.#path}": it must exist and be readable`, { cause: error })
        }
      }
    }
    return `Bearer ${this.#token}`
  }
}
