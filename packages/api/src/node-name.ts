import { z } from 'zod'

declare const brand: unique symbol

/** Name of a Node object. */
export type NodeName = string & { readonly [brand]: 'NodeName' }

const pattern = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const longest = 253

/**
 * Parses what the API server takes as a Node's name: a DNS subdomain (RFC 1123), in lower case, of at most 253 characters.
 *
 * @throws {SyntaxError}
 */
export function parseNodeName(text: string): NodeName {
  if (text.length > longest || !pattern.test(text)) throw new SyntaxError(`Cannot parse node name "${text.slice(0, longest)}": wanted a DNS name in lower case of at most ${longest} characters`)
  return text as NodeName
}

/** A Node's name in configuration and on admin sockets. */
export const nodeNameSchema: z.ZodType<NodeName, string> = z.string().transform((text, context) => {
  try {
    return parseNodeName(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})
