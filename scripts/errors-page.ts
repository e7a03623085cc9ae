import { cell, filesOf, generatedBy, packages, read } from './workspace.ts'

/** A code with what its package's README says about it. */
export interface ErrorEntry {
  readonly package: string
  readonly code: string
  readonly meaning: string
  readonly advice: string
}

/** The rows of the "Errors" tables of all READMEs. */
export function documentedErrors(): readonly ErrorEntry[] {
  return packages.flatMap((owner) => filesOf(`packages/${owner}/README.md`, `packages/${owner}/src/**/README.md`).flatMap((file) => rowsOf(read(file)).map((row) => ({ package: owner, ...row }))))
}

function rowsOf(text: string): readonly Omit<ErrorEntry, 'package'>[] {
  return text.split('\n').flatMap((line) => {
    const [, code, meaning, advice] = /^\| *`?(ERR_[A-Z0-9_]+)`? *\|(.*?[^\\])\|(.*)\| *$/.exec(line) ?? []
    return code === undefined ? [] : [{ code, meaning: meaning!.trim(), advice: advice!.trim() }]
  })
}

/** Codes that sources raise, with the packages that do. */
export function raisedErrors(): ReadonlyMap<string, ReadonlySet<string>> {
  const raised = new Map<string, Set<string>>()
  for (const file of filesOf('packages/*/src/**/*.ts')) {
    if (/\.test\.ts$|\/testing\/|\.gen\.ts$/.test(file)) continue
    // Not NLMSGERR_… of the kernel or UND_ERR_… of undici, and not prefixes of Node's own codes (`ERR_TLS_`).
    for (const [code] of read(file).matchAll(/(?<![A-Z0-9_])ERR_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])/g)) {
      raised.set(code, (raised.get(code) ?? new Set()).add(file.split('/')[1]!))
    }
  }
  return raised
}

/** `docs/reference/errors.md`. */
export function errorsPage(): string {
  const sections = [...Map.groupBy(documentedErrors(), (entry) => entry.package)].map(([owner, own]) => [
    `## ${owner}`,
    '',
    '| code | meaning | what to do |',
    '|---|---|---|',
    ...own.map(({ code, meaning, advice }) => `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${cell(unlink(owner, meaning))} | ${cell(unlink(owner, advice))} |`),
  ].join('\n'))
  return `${generatedBy('generate-reference.ts', 'the Errors tables of the READMEs in packages')}
# Errors

Every error of Weft that an operator may meet has a \`code\`. Messages read
\`Cannot <verb> <noun> "<value>": <what is, what is wanted>\`; the causes follow on lines of their own. Input that is not
what a parser accepts throws the language's own \`SyntaxError\` or \`RangeError\`, and what the kernel refuses is a \`NetlinkError\` whose
\`code\` is the name of the errno (\`EEXIST\`), with the kernel's words in it. What the CNI plugin prints has the numbers of
the CNI specification; they stand before the meaning.

${sections.join('\n\n')}
`
}

/** Relative links of a README, as seen from docs/reference. */
function unlink(owner: string, text: string): string {
  return text.replaceAll('\\|', '|').replaceAll(/\]\((?!https?:|#)([^)]+)\)/g, (_whole, target: string) => `](${new URL(target, `https://weft/packages/${owner}/`).pathname.replace(/^\//, '../../')})`)
}
