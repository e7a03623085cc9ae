/** What must not leave a cluster in an archive that is sent to somebody: tokens, keys, passwords. */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, '<private key>'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '<token>'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 <credentials>'],
  [/((?:client-key-data|token|password|passwd|secret|api[-_]?key)["']?\s*[:=]\s*)(["']?)[^\s"',}]{4,}\2/gi, '$1$2<redacted>$2'],
  [/(:\/\/)[^\s/:@]+:[^\s/@]+@/g, '$1<credentials>@'],
]

/** The text without its secrets. */
export function redact(text: string): string {
  return secrets.reduce((redacted, [pattern, instead]) => redacted.replace(pattern, instead), text)
}
