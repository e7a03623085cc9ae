/** Reads `test/allowed-skips.txt`: a regular expression to a line, for a whole reason. */
export function parseAllowedSkips(text: string): readonly RegExp[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')).map((line) => new RegExp(`^(?:${line})$`))
}

/** Whether the titles of a skipped test, its groups' included, say why, and each reason is allowed. */
export function isSkipAllowed(fullName: string, allowed: readonly RegExp[]): boolean {
  const reasons = [...fullName.matchAll(/\[skipped: ([^\]]*)\]/g)].map(([, reason]) => reason!.replaceAll('\n', ' '))
  return reasons.length > 0 && reasons.every((reason) => allowed.some((pattern) => pattern.test(reason)))
}
