import { decodeAttributes, decodeMessages } from '@weft/netlink'
import type { EncodedBatch } from '../batch.ts'
import * as nf from '../nf-tables.ts'

const GENERIC_HEADER = 4

/** Indexes of operations that add a rule with one of these expressions, as the kernel finds them: by their names in its bytes. */
export function operationsWith({ bytes, messages }: EncodedBatch, names: ReadonlySet<string>): readonly number[] {
  return [...decodeMessages(bytes)].flatMap(({ type, payload }, index) => {
    if ((type & 0xff) !== nf.message.newRule) return []
    const expressions = decodeAttributes(payload, GENERIC_HEADER).nested(nf.ruleAttr.expressions)?.list() ?? []
    return expressions.some((expression) => names.has(expression.string(nf.expressionAttr.name) ?? '')) ? [messages[index]!.operation] : []
  })
}
