import { z } from 'zod'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/**
 * Parses a duration such as `30s`, `1m30s` or `500ms`.
 *
 * @returns Milliseconds.
 * @throws {SyntaxError}
 */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/gy)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) throw new SyntaxError(`Cannot parse duration "${text}": wanted numbers with units ms, s, m or h, e.g. 1m30s`)
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit!]!, 0)
}

/** A duration in configuration; the value below is milliseconds. Give defaults with `prefault('30s')`. */
export const durationSchema: z.ZodType<number, string> = z.string().transform((text, context) => {
  try {
    return parseDuration(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})
