import { expect, test } from 'vitest'
import { documentedErrors, errorsPage, raisedErrors } from '../scripts/errors-page.ts'
import { filesOf, read } from '../scripts/workspace.ts'

const documented = documentedErrors()

test('docs/reference/errors.md is what the READMEs say (pnpm generate)', () => {
  expect(read('docs/reference/errors.md')).toBe(errorsPage())
})

test('every code that sources raise is in the Errors table of a package that raises it', () => {
  const missing = [...raisedErrors()].filter(([code, owners]) => !documented.some((entry) => entry.code === code && owners.has(entry.package))).map(([code, owners]) => `${code} of ${[...owners].join(', ')}`)
  expect(missing).toEqual([])
})

test('every documented code is raised, once, and says what to do', () => {
  const raised = raisedErrors()
  expect(documented.filter(({ package: owner, code }) => !raised.get(code)?.has(owner)).map(({ package: owner, code }) => `packages/${owner}/README.md: ${code}`)).toEqual([])
  expect(documented.map(({ code }) => code).toSorted()).toEqual([...new Set(documented.map(({ code }) => code))].toSorted())
  expect(documented.filter(({ meaning, advice }) => meaning === '' || advice === '').map(({ code }) => code)).toEqual([])
})

test('documents name only codes that there are', () => {
  const known = new Set(documented.map(({ code }) => code))
  const wrong = filesOf('*.md', 'docs/**/*.md', 'packages/*/*.md').flatMap((file) => [...read(file).matchAll(/(?<![A-Z0-9_])ERR_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])/g)].filter(([code]) => !known.has(code)).map(([code]) => `${file}: ${code}`))
  expect(wrong).toEqual([])
})

/**
 * Error classes that make their own "Cannot …" out of what they are given, and the CNI verbs' whose words are those of the
 * reference implementation, which runtimes match.
 */
const composed = new Set(['InvalidObjectError', 'NetlinkError', 'NetlinkDecodeError', 'DnsFormatError', 'ConfigError', 'AdminError', 'CniError'])

test('messages read "Cannot <verb> <noun> …" and end without a period', () => {
  const wrong: string[] = []
  for (const file of filesOf('packages/*/src/**/*.ts')) {
    if (/\.test\.ts$|\/testing\/|\.gen\.ts$/.test(file)) continue
    for (const match of read(file).matchAll(/throw new (\w+Error)\(\s*(?:'ERR_\w+',\s*)?(['`])((?:\\.|(?!\2).)*)\2/g)) {
      const [, name, , message] = match
      // A message that is computed, after its code.
      if (composed.has(name!) || message!.startsWith('ERR_')) continue
      if (!/^Cannot ([a-z]+ |\$\{)/.test(message!) || message!.endsWith('.')) wrong.push(`${file}: ${name}: ${message}`)
    }
  }
  expect(wrong).toEqual([])
})
