import type { NetworkConfig } from '../network-config.ts'
import { parseData } from '../model.ts'
import type { VerbContext } from '../verb-context.ts'
import { del } from './del.ts'

/**
 * Releases every attachment of this network that the runtime no longer knows; goes on past errors (CNI-40). A call that does not say what the
 * runtime knows releases nothing (DESIGN.md C18).
 */
export async function gc(context: VerbContext, config: NetworkConfig): Promise<void> {
  const { validAttachments } = config
  if (validAttachments === undefined) return context.logger.warn({ network: config.name }, 'GC without a list of valid attachments: nothing is collected')
  const valid = new Set(validAttachments.map(({ containerId, ifname }) => `${containerId}/${ifname}`))
  const stale = context.ports.address.attachments().filter(({ containerId, ifname, state, data }) =>
    state !== 'releasing' && parseData(data).network === config.name && !valid.has(`${containerId}/${ifname}`))
  const results = await Promise.allSettled(stale.map((attachment) => del(context, attachment)))
  const errors = results.flatMap((result) => result.status === 'rejected' ? [result.reason as unknown] : [])
  if (stale.length > 0) context.logger.info({ stale: stale.length, failed: errors.length }, 'attachments collected')
  if (errors.length > 0) throw new AggregateError(errors, `Cannot collect ${errors.length} of ${stale.length} attachments: ${String(errors[0])}`)
}
