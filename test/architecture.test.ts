import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Which package may import which (DESIGN.md, "Layers"). An edge that is not here needs a reason in a design document
 * first; features never import features.
 */
const platform = ['ip', 'daemon', 'netlink', 'nftables', 'api', 'allocator', 'plugin', 'kube']
const allowed: Readonly<Record<string, readonly string[]>> = {
  // ground
  ip: [],
  // platform, in its own order
  daemon: [],
  netlink: ['ip', 'daemon'],
  nftables: ['ip', 'daemon', 'netlink'],
  api: ['ip'],
  allocator: ['ip', 'daemon', 'api'],
  plugin: ['daemon', 'netlink'],
  kube: ['ip', 'daemon', 'api'],
  // features
  cni: platform,
  ipam: platform,
  overlay: platform,
  proxy: platform,
  dns: platform,
  policy: platform,
  // assemblies
  checks: ['ip', 'daemon', 'api', 'kube'],
  agent: [...platform, 'cni', 'ipam', 'overlay', 'proxy', 'policy'],
  controller: [...platform, 'ipam'],
  sandbox: [...platform, 'agent', 'controller', 'cni', 'dns', 'checks'],
  image: ['plugin'],
  manifests: ['api'],
  install: [...platform, 'cni', 'checks', 'image', 'manifests'],
  cli: [...platform, 'sandbox', 'checks', 'cni', 'image', 'install'],
}

/** Outside libraries and the only packages that may load them, where that matters. */
const doors: Readonly<Record<string, readonly string[]>> = {
  'koffi': ['netlink'],
  'pino': ['daemon'],
  'fastify': ['sandbox', 'controller', 'ipam'],
  'commander': ['cli'],
  'tsdown': ['image'],
  '@kubernetes/client-node': ['kube', 'sandbox'],
  'undici': ['kube', 'sandbox', 'cli'],
}

interface Import {
  readonly file: string
  readonly specifier: string
}

function sourcesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : sourcesUnder(path)
    return entry.isFile() && entry.name.endsWith('.ts') ? [path] : []
  })
}

/** `import … from 'x'`, `import 'x'`, `export … from 'x'` and `import('x')`; `Buffer.from('x')` and code inside template text are none. */
const importForms = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+(['"])([^'"\n]+)\1|^\s*import\s+(['"])([^'"\n]+)\3|\bimport\(\s*(['"])([^'"\n]+)\5/gm

function importsIn(text: string): string[] {
  return [...text.matchAll(importForms)].map((match) => (match[2] ?? match[4] ?? match[6])!)
}

function importsOf(file: string): Import[] {
  return importsIn(readFileSync(join(root, file), 'utf8')).map((specifier) => ({ file, specifier }))
}

const packages = readdirSync(join(root, 'packages'))
const isTest = (file: string): boolean => /\.test\.ts$|\/testing\/|\/test\/|\/bench\//.test(file)

describe('architecture', () => {
  test('the scan finds every form of import, and nothing else', () => {
    const text = [
      "import { a } from 'one'", "import type {", "  B,", "} from 'two'", "import 'three'", "export * from 'four'", "export { c } from 'five'", "const d = await import('six')",
      "Buffer.from('x')", "// a word from 'a comment'", "const e = `copied from '${path}'`", "/** {@link import} 'y' */", "throw new Error(\"from 'z'\")",
    ].join('\n')
    expect(importsIn(text)).toEqual(['one', 'two', 'three', 'four', 'five', 'six'])
  })

  test('every package has its place in the layers', () => {
    expect(packages.toSorted()).toEqual(Object.keys(allowed).toSorted())
  })

  for (const name of packages) {
    const sources = sourcesUnder(`packages/${name}`)
    const imports = sources.flatMap(importsOf)

    test(`${name} imports only packages below it`, () => {
      const wrong = imports.flatMap(({ file, specifier }) => {
        const target = /^@weft\/([^/]+)/.exec(specifier)?.[1]
        if (target === undefined || target === name || allowed[name]!.includes(target)) return []
        // Benches of every layer report through the one runner.
        if (specifier === '@weft/daemon/bench' && file.includes('/bench/')) return []
        return [`${file} imports @weft/${target}: ${name} may import ${allowed[name]!.join(', ') || 'nothing'}`]
      })
      expect(wrong).toEqual([])
    })

    test(`${name} names every dependency it imports, and no other workspace package`, () => {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as { dependencies?: Record<string, string>, devDependencies?: Record<string, string> }
      const wrong = imports.flatMap(({ file, specifier }) => {
        if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith(`@weft/${name}`)) return []
        const dependency = /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)![1]!
        if (Object.hasOwn(manifest.dependencies ?? {}, dependency)) return []
        if (isTest(file) && (dependency === 'vitest' || Object.hasOwn(manifest.devDependencies ?? {}, dependency))) return []
        return [`${file} imports ${dependency}, which packages/${name}/package.json does not list`]
      })
      expect(wrong).toEqual([])
    })

    test(`${name} keeps to its doors`, () => {
      const wrong = imports.flatMap(({ file, specifier }) => {
        const door = doors[specifier]
        return door === undefined || door.includes(name) || isTest(file) ? [] : [`${file} imports ${specifier}: only ${door.join(', ')} may`]
      })
      expect(wrong).toEqual([])
    })

    test(`${name} imports files, not its own barrel`, () => {
      const wrong = imports.filter(({ file, specifier }) => !file.endsWith('src/index.ts') && !isTest(file) && (specifier === './index.ts' || specifier === '../index.ts') && !file.includes('/apiserver/'))
      expect(wrong).toEqual([])
    })
  }

  test('only the assemblies start programs', () => {
    // plugin builds its C shim at installation time; that file says so.
    const wrong = ['ip', ...platform, 'cni', 'ipam', 'overlay', 'proxy', 'dns', 'policy'].flatMap((name) => sourcesUnder(`packages/${name}/src`))
      .filter((file) => !isTest(file) && !file.endsWith('plugin/src/build-shim.ts'))
      .flatMap(importsOf)
      .filter(({ specifier }) => specifier === 'node:child_process')
    expect(wrong).toEqual([])
  })

  test('what is published needs nothing that is not', () => {
    const manifests = packages.map((name) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as { readonly name: string, readonly private?: boolean, readonly dependencies?: Readonly<Record<string, string>> })
    const kept = new Set(manifests.filter((manifest) => manifest.private === true).map(({ name }) => name))
    const wrong = manifests.filter(({ name }) => !kept.has(name)).flatMap(({ name, dependencies = {} }) => Object.keys(dependencies).filter((each) => kept.has(each)).map((each) => `${name} needs ${each}`))
    expect(wrong).toEqual([])
  })

  test('no file name says nothing', () => {
    const vague = packages.flatMap((name) => sourcesUnder(`packages/${name}`)).filter((file) => /\/(utils?|helpers?|common|misc|types)\.ts$/.test(file))
    expect(vague).toEqual([])
  })
})
