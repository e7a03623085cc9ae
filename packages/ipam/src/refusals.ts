import type { Logger } from '@weft/daemon'
import { targetOf } from '@weft/kube'
import { messageOf } from '@weft/daemon/message-of'

/**
 * Told of a pool or block that cannot be used.
 *
 * @param object With `apiVersion`, `kind` and `metadata`, as the API has it.
 */
export type OnRefused = (object: unknown, error: unknown) => void

interface RefusalsOptions {
  readonly logger: Logger
  /** E.g. records an Event; what it throws is logged. */
  readonly onRefused?: OnRefused | undefined
}

/** More are forgotten, and told again. */
const maxRemembered = 1000

/** Logs and tells each refusal once per version of the object, however often it is met. */
export function tellOnce({ logger, onRefused }: RefusalsOptions): OnRefused {
  const told = new Map<string, string>()
  return (object, error) => {
    const message = messageOf(error)
    const { kind, name, uid, resourceVersion } = targetOf(object, { apiVersion: '', kind: '' })
    const key = `${kind}/${name}`
    const refusal = `${uid} ${resourceVersion} ${message}`
    if (told.get(key) === refusal) return
    if (told.size >= maxRemembered) told.clear()
    told.set(key, refusal)
    logger.warn({ object: key, error: message }, 'object refused')
    try {
      onRefused?.(object, error)
    } catch (fault) {
      logger.error({ object: key, error: messageOf(fault) }, 'refusal not reported')
    }
  }
}
