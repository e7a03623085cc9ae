import type { Logger } from '@weft/daemon'
import type { Nft } from '@weft/nftables'
import { type Lack, probeKernel } from './kernel-features.ts'

interface KernelLacksOptions {
  readonly nft: Pick<Nft, 'check'>
  /** Whether conntrack knows SCTP; undefined when that cannot be told. */
  readonly tracksSctp: (() => Promise<boolean | undefined>) | undefined
  readonly onLacking: ((message: string) => void) | undefined
  readonly logger: Logger
}

/** What the kernel was last found to lack; each sentence about it is told once. */
export class KernelLacks {
  readonly #options: KernelLacksOptions
  readonly #told = new Set<string>()
  #lacks: ReadonlySet<Lack> = new Set()

  constructor(options: KernelLacksOptions) {
    this.#options = options
  }

  get all(): ReadonlySet<Lack> {
    return this.#lacks
  }

  /**
   * Asks the kernel: a module may be loaded at any time.
   *
   * @throws {ProxyError} `ERR_PROXY_KERNEL` when something is missing without which no Service can be served.
   */
  async look(): Promise<void> {
    const { nft, tracksSctp, onLacking, logger } = this.#options
    const { lacks, sentences } = await probeKernel(nft, tracksSctp ?? (async () => await Promise.resolve(undefined)))
    this.#lacks = lacks
    for (const message of sentences) {
      if (this.#told.has(message)) continue
      this.#told.add(message)
      logger.warn({ lacking: message }, 'kernel lacks something')
      onLacking?.(message)
    }
  }
}
