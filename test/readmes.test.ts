import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { priorities, tables } from '@weft/api'
import { describe, expect, test } from 'vitest'
import { filesOf, packages, read, root } from '../scripts/workspace.ts'

const sections = ['Name', 'Description', 'Configuration', 'Metrics', 'Readiness', 'Examples', 'Limits']

const headings = (text: string): string[] => [...withoutCode(text).matchAll(/^## (.+)$/gm)].map(([, title]) => title!)

/** Fenced code is no prose: `# …` in a shell example is no heading. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '')
}

describe.each([...packages])('packages/%s', (name) => {
  test('README.md has the sections of a man page', () => {
    expect(existsSync(join(root, 'packages', name, 'README.md')), 'there is none').toBe(true)
    const titles = headings(read(`packages/${name}/README.md`))
    expect(sections.filter((section) => !titles.includes(section))).toEqual([])
    expect(titles[0]).toBe('Name')
    expect(titles.at(-1)).toBe('Limits')
  })

  test('DESIGN.md numbers its promises', () => {
    expect(existsSync(join(root, 'packages', name, 'DESIGN.md')), 'there is none').toBe(true)
    const numbers = [...read(`packages/${name}/DESIGN.md`).matchAll(/^(?:[-*|] ?)?\s*\**([A-Z]{1,3}\d+)\b|^(\d+)\. \*\*/gm)].map(([, letter, plain]) => (letter ?? plain)!)
    expect(numbers.length).toBeGreaterThan(0)
    expect(numbers).toEqual([...new Set(numbers)])
  })
})

const documents = filesOf('*.md', 'docs/**/*.md', 'packages/*/*.md', 'packages/*/src/**/*.md')

describe('documents', () => {
  test('link to files that there are', () => {
    const broken = documents.flatMap((file) => [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!.split('#', 1)[0]!)
      .filter((target) => target !== '' && !/^[a-z]+:/.test(target) && !existsSync(join(root, normalize(join(dirname(file), target)))))
      .map((target) => `${file}: ${target}`))
    expect(broken).toEqual([])
  })

  test('link to headings that there are', () => {
    const broken = documents.flatMap((file) => [...withoutCode(read(file)).matchAll(/\]\(([^)\s#]*)#([^)\s]+)\)/g)]
      .filter(([, target]) => !/^[a-z]+:/.test(target!))
      .filter(([, target, anchor]) => !anchors(target === '' ? file : normalize(join(dirname(file), target!))).includes(anchor!))
      .map(([whole]) => `${file}: ${whole}`))
    expect(broken).toEqual([])
  })

  test('name commands of weft that there are', () => {
    const main = read('packages/cli/src/main.ts')
    const commands = [...main.matchAll(/\.command\('(\w+)'\)/g)].map(([, name]) => name!)
    expect(commands).toContain('up')
    const features = /choices\((\['proxy'[^\]]*\])\)/.exec(main)?.[1] ?? ''
    const wrong = documents.flatMap((file) => {
      const text = read(file)
      return [
        ...[...text.matchAll(/\.\/weft ([a-z]+)/g)].filter(([, name]) => !commands.includes(name!)).map(([whole]) => `${file}: ${whole}`),
        ...[...text.matchAll(/weft dump ([a-z]+)/g)].filter(([, feature]) => !features.includes(`'${feature!}'`)).map(([whole]) => `${file}: ${whole}`),
      ]
    })
    expect(wrong).toEqual([])
  })

  test('name scripts of package.json that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
    const wrong = documents.flatMap((file) => [...read(file).matchAll(/`pnpm ([a-z:]+)/g)].filter(([, name]) => !Object.hasOwn(scripts, name!) && !['install', 'changeset', 'add'].includes(name!)).map(([whole]) => `${file}: ${whole}`))
    expect(wrong).toEqual([])
  })

  test('README.md and DESIGN.md name every package', () => {
    for (const file of ['README.md', 'DESIGN.md']) expect(packages.filter((name) => !read(file).includes(`packages/${name}/`)), file).toEqual([])
  })
})

/** Anchors that GitHub makes of headings, and those written out. */
function anchors(file: string): string[] {
  const text = read(file)
  const ofHeadings = [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, title]) => title!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
  return [...ofHeadings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!)]
}

test('DESIGN.md has every hook priority and table of packages/api/src/kernel.ts', () => {
  const design = read('DESIGN.md')
  expect(Object.entries(priorities).filter(([name, value]) => !design.includes(`| \`${name}\` | ${value} |`))).toEqual([])
  const rows = [...design.matchAll(/^\| `(\w+)` \| (-?\d+) \|/gm)].map(([, name, value]) => [name!, Number(value)] as const)
  expect(rows.filter(([name, value]) => (priorities as Readonly<Record<string, number>>)[name] !== value)).toEqual([])
  expect(Object.values(tables).filter((name) => !design.includes(`\`${name}\``))).toEqual([])
})
