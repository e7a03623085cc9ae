import { existsSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { parse } from 'yaml'
import { cell, filesOf, packages, read, root } from './workspace.ts'

/** One testable demand on a complete network, and where it is proved. */
export interface Behaviour {
  readonly id: string
  readonly text: string
  /** Why it is no demand on us. */
  readonly out: string | undefined
  /** Test files that name it, as paths below the repository. */
  readonly tests: readonly string[]
}

const idPattern = /\b(?:CNI|IPAM|NET|SVC|LB|DNS|NP|CNP|LIFE)-\d+\b/g

/** Ids that tests name, with the files that do. Comments prove nothing, so they are not read. */
export function testedBehaviours(): ReadonlyMap<string, readonly string[]> {
  const tested = new Map<string, string[]>()
  for (const file of filesOf('packages/*/src/**/*.test.ts', 'packages/*/test/**/*.ts', 'packages/checks/src/**/*.ts', 'e2e/**/*.test.ts', 'e2e/suites/*.ts')) {
    const code = read(file).replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
    for (const id of new Set(code.match(idPattern))) tested.getOrInsertComputed(id, () => []).push(file)
  }
  return tested
}

/** Packages that have an area of behaviours, with what is asked of it (`packages/<name>/behaviours.yaml`). */
export function behavioursByPackage(): ReadonlyMap<string, readonly Behaviour[]> {
  const tested = testedBehaviours()
  return new Map(packages.filter((name) => existsSync(join(root, fileOf(name)))).map((name) => {
    const entries = Object.entries(parse(read(fileOf(name))) as Record<string, string | { readonly text: string, readonly out: string }>)
    return [name, entries.map(([id, entry]): Behaviour => {
      const { text, out } = typeof entry === 'string' ? { text: entry, out: undefined } : entry
      return { id, text, out, tests: tested.get(id) ?? [] }
    })]
  }))
}

function fileOf(name: string): string {
  return `packages/${name}/behaviours.yaml`
}

const begin = '<!-- behaviours: generated from behaviours.yaml and the names of tests; run `pnpm generate` -->'
const end = '<!-- behaviours end -->'

/** The README of a package with its "Behaviours" section anew; the section stands before Limits, the last one. */
export function withBehaviours(readme: string, name: string, behaviours: readonly Behaviour[]): string {
  const section = `## Behaviours\n\n${begin}\n${table(name, behaviours)}\n${end}\n\n`
  const bare = readme.replace(new RegExp(String.raw`^## Behaviours\n[\s\S]*?${end}\n+`, 'm'), '')
  return bare.replace(/^## Limits$/m, () => `${section}## Limits`)
}

function table(name: string, behaviours: readonly Behaviour[]): string {
  const proved = behaviours.filter(({ tests }) => tests.length > 0).length
  const out = behaviours.filter((behaviour) => behaviour.out !== undefined).length
  return [
    `${proved} of ${behaviours.length} have a test${out === 0 ? '' : `, ${out} are not ours`}.`,
    '',
    '| id | behaviour | proved by |',
    '|---|---|---|',
    ...behaviours.map((behaviour) => `| ${behaviour.id} | ${cell(behaviour.text)} | ${proof(name, behaviour)} |`),
  ].join('\n')
}

function proof(name: string, { tests, out }: Behaviour): string {
  if (tests.length > 0) return tests.map((file) => `[${basename(file).replace(/(\.test)?\.ts$/, '')}](${relative(`packages/${name}`, file)})`).join(', ')
  return out === undefined ? '**no test yet**' : `not ours: ${cell(out)}`
}

/** Where the README of a package lies. */
export function readmeOf(name: string): string {
  return join(dirname(fileOf(name)), 'README.md')
}
