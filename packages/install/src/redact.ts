/** A key that says that its value is a secret, up to the value; in quotes, and in JSON within JSON, too. */
const key = String.raw`(?:client-key-data|token|password|passwd|secret|api[-_]?key)(?:\\?["'])?\s*[:=]\s*`

/** What must not leave a cluster in an archive that is sent to somebody: tokens, keys, passwords. */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, '<private key>'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '<token>'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 <credentials>'],
  [new RegExp(String.raw`(${key}\\")[\s\S]*?(\\")`, 'gi'), '$1<redacted>$2'],
  [new RegExp(String.raw`(${key}")(?:[^"\\]|\\.)*(")`, 'gi'), '$1<redacted>$2'],
  [new RegExp(String.raw`(${key}')[^'\n]*(')`, 'gi'), '$1<redacted>$2'],
  [new RegExp(String.raw`(${key})(?![\\"'<])[^\s,}]+`, 'gi'), '$1<redacted>'],
  [/(:\/\/)[^\s/:@]+:[^\s/@]+@/g, '$1<credentials>@'],
]

/** The text without its secrets. */
export function redact(text: string): string {
  return secrets.reduce((redacted, [pattern, instead]) => redacted.replace(pattern, instead), text)
}
