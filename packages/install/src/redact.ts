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
  [new RegExp(String.raw`(${key})(?![\\"'<])(?:[^\s,}\\]|\\[^n])+`, 'gi'), '$1<redacted>'],
  [/(:\/\/)[^\s/:@]+:[^\s/@]+@/g, '$1<credentials>@'],
]

/** The text without its secrets. */
export function redact(text: string): string {
  return secrets.reduce((redacted, [pattern, instead]) => redacted.replace(pattern, instead), text)
}

/** Fields of objects in which passwords are, and what is left of each: names of variables and of flags. */
const hiding: Readonly<Record<string, (value: readonly unknown[]) => unknown>> = {
  env: (variables) => variables.map((each) => ({ name: (each as { readonly name?: string }).name })),
  command: (words) => words.map((word, index) => (index === 0 ? word : flagOf(String(word)))),
  args: (words) => words.map((word) => flagOf(String(word))),
  httpHeaders: (headers) => headers.map((each) => ({ name: (each as { readonly name?: string }).name })),
}

/** `--name=<redacted>`; a word that is no flag may be the value of the one before, or a whole script; `-pWORD` holds both. */
function flagOf(word: string): string {
  const [, flag, equals] = /^(--[\w.-]+|-\w)(=|$)/.exec(word) ?? []
  return flag === undefined ? '<redacted>' : equals === '' ? flag : `${flag}=<redacted>`
}

/** An object of the API without values of environment variables, arguments of programs, and copies of both. */
export function withoutSecrets(object: unknown): unknown {
  return JSON.parse(JSON.stringify(object, (field, value: unknown) => {
    if (field === 'managedFields' || field === 'kubectl.kubernetes.io/last-applied-configuration') return undefined
    return Array.isArray(value) ? hiding[field]?.(value) ?? value : value
  })) as unknown
}
