import { keyText } from '@weft/allocator'
import type { PluginConfig } from '@weft/plugin'
import { parseData } from '../model.ts'
import type { VerbContext } from '../verb-context.ts'
import { del } from './del.ts'

/**
 * Releases every attachment of this network that the runtime no longer knows; goes on past errors (CNI-40). A call that does not say what the
 * runtime knows releases nothing (DESIGN.md C18).
 */
export async function gc(context: VerbContext, { name, validAttachments }: PluginConfig): Promise<void> {
  if (validAttachments === undefined) return context.logger.warn({ network: name }, 'GC without a list of valid attachments: nothing is collected')
  const valid = new Set(validAttachments.map(keyText))
  const stale = context.ports.address.attachments().filter((attachment) =>
    attachment.state !== 'releasing' && parseData(attachment.data).network === name && !valid.has(keyText(attachment)))
  const results = await Promise.allSettled(stale.map((attachment) => del(context, attachment)))
  const errors = results.flatMap((result) => result.status === 'rejected' ? [result.reason as unknown] : [])
  if (stale.length > 0) context.logger.info({ stale: stale.length, failed: errors.length }, 'attachments collected')
  if (errors.length > 0) throw new AggregateError(errors, `Cannot collect ${errors.length} of ${stale.length} attachments: ${String(errors[0])}`)
}
