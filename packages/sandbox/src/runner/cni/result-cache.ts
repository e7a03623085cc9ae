import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { CniConflist } from './conflist.ts'
import type { CniAttachment, CniResult } from './plugin.ts'

/** An attachment as DEL, CHECK and GC need it later, also when the configuration has changed since. */
export interface CachedAttachment {
  readonly attachment: CniAttachment
  readonly conflist: CniConflist
  readonly runtimeConfig: Readonly<Record<string, unknown>>
  /** Undefined while ADD runs: a DEL is owed all the same. */
  readonly result?: CniResult | undefined
}

/** One file per attachment, as libcni keeps it. */
export class ResultCache {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  put(cached: CachedAttachment): void {
    const path = this.#path(cached.attachment)
    writeFileSync(`${path}.new`, JSON.stringify(cached))
    renameSync(`${path}.new`, path)
  }

  get(attachment: Pick<CniAttachment, 'containerId' | 'ifname'>): CachedAttachment | undefined {
    try {
      return JSON.parse(readFileSync(this.#path(attachment), 'utf8'))
    } catch {
      return undefined
    }
  }

  delete(attachment: Pick<CniAttachment, 'containerId' | 'ifname'>): void {
    rmSync(this.#path(attachment), { force: true })
  }

  list(): CachedAttachment[] {
    return readdirSync(this.#folder).filter((file) => !file.endsWith('.new')).flatMap((file) => {
      const [containerId = '', ifname = ''] = file.split('@')
      return this.get({ containerId, ifname }) ?? []
    })
  }

  #path({ containerId, ifname }: Pick<CniAttachment, 'containerId' | 'ifname'>): string {
    return `${this.#folder}/${containerId}@${ifname}`
  }
}
