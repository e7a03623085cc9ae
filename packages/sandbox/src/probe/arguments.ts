import { parseArgs } from 'node:util'

/** Reads `--name=value` and `--name value`; unknown flags of agnhost are accepted and ignored. */
export function readFlags(args: readonly string[], flags: readonly string[]): { readonly values: Readonly<Record<string, string | undefined>>, readonly positionals: readonly string[] } {
  const options = Object.fromEntries(flags.map((name) => [name, { type: 'string' as const }]))
  const { values, positionals } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true })
  return { values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === 'boolean' ? '' : value])) as Record<string, string | undefined>, positionals }
}

/** Go's duration text, e.g. `1s`, `500ms`, `1m30s`, to milliseconds; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|us|s|m|h))+$/.test(text)) return undefined
  const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|us|s|m|h)/g)].reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0)
}

/** A port number of a flag, or the default. */
export function portFlag(text: string | undefined, otherwise: number): number {
  return text === undefined || !/^-?\d+$/.test(text) ? otherwise : Number(text)
}
