// What is published: every package without `private`, built from its sources into a folder of its own.
import { cpSync, existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'tsdown'
import { parse } from 'yaml'
import { bundleProbe, bundleSandbox, leftOut } from './program-bundles.ts'
import { filesOf, packages, read, root } from './workspace.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, { readonly dev: string, readonly types: string, readonly default: string }>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** A package as it is published. */
export interface PublishedPackage {
  readonly name: string
  readonly version: string
  /** Its content, ready for `npm pack`. */
  readonly folder: string
}

/** Programs that a package starts, and that are none of its own. */
const bundles: Readonly<Record<string, (outDir: string) => Promise<void>>> = { sandbox: bundleSandbox, checks: bundleProbe }

const catalogs = (parse(read('pnpm-workspace.yaml')) as { readonly catalogs: Readonly<Record<string, Readonly<Record<string, string>>>> }).catalogs

/** Builds all of them below a folder, which is emptied first. */
export async function buildPackages(outDir: string): Promise<readonly PublishedPackage[]> {
  await rm(outDir, { recursive: true, force: true })
  const built: PublishedPackage[] = []
  for (const name of packages) {
    const manifest = JSON.parse(read(`packages/${name}/package.json`)) as Manifest
    if (manifest.private !== true) built.push(await buildPackage(name, manifest, join(outDir, name)))
  }
  return built
}

async function buildPackage(name: string, manifest: Manifest, folder: string): Promise<PublishedPackage> {
  const source = join(root, 'packages', name)
  const program = existsSync(join(source, 'src/main.ts'))
  await build({
    config: false,
    cwd: source,
    entry: entriesOf(name, manifest, program),
    outDir: join(folder, 'dist'),
    format: 'esm',
    platform: 'node',
    target: 'node26',
    dts: manifest.exports === undefined ? false : { resolver: 'oxc' },
    tsconfig: join(root, 'tsconfig.base.json'),
    report: false,
    logLevel: 'error',
    deps: { neverBundle: [/^[^./]/] },
    outputOptions: { entryFileNames: '[name].js', chunkFileNames: 'part-[hash].js', banner: ({ name: file }) => (file === 'main' ? '#!/usr/bin/env node' : '') },
  })
  await bundles[name]?.(join(folder, 'dist'))
  // The plugin's source is compiled where it is used.
  for (const each of ['README.md', 'DESIGN.md', 'shim'].filter((file) => existsSync(join(source, file)))) cpSync(join(source, each), join(folder, each), { recursive: true })
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(manifest, program ? { [manifest.name.replace('@', '').replace('/', '-').replace(/^weft-cli$/, 'weft')]: 'dist/main.js' } : undefined), null, 2)}\n`)
  return { name: manifest.name, version: manifest.version, folder }
}

/** What others import, the program, and what threads and child processes are started from by name. */
function entriesOf(name: string, { exports = {} }: Manifest, program: boolean): Record<string, string> {
  const sources = filesOf(`packages/${name}/src/**/*.ts`).filter((file) => !file.endsWith('.test.ts'))
  const started = new Set(sources.flatMap((file) => [...read(file).matchAll(/'\.\/([\w-]+)\.js'/g)].map(([, each]) => each!)))
  const threads = sources.filter((file) => started.has(/([\w-]+)\.ts$/.exec(file)![1]!)).map((file) => file.replace(`packages/${name}/`, './'))
  const files = [...Object.values(exports).map(({ dev }) => dev), ...(program ? ['./src/main.ts'] : [])]
  return Object.fromEntries([...files.map((file): [string, string] => [file.replace('./src/', '').replace('.ts', ''), file]), ...threads.map((file): [string, string] => [/([\w-]+)\.ts$/.exec(file)![1]!, file])])
}

/** Without what only this repository needs: the condition `dev`, catalogs, the workspace, dependencies of tests. */
function publishedManifest({ exports, dependencies = {}, devDependencies: _devDependencies, ...rest }: Manifest, bin: Readonly<Record<string, string>> | undefined): object {
  const versionOf = (name: string, wanted: string): string => {
    if (wanted.startsWith('workspace:')) return rest.version
    return wanted.startsWith('catalog:') ? catalogs[wanted.slice('catalog:'.length)]![name]! : wanted
  }
  return {
    ...rest,
    ...(exports === undefined ? {} : { exports: Object.fromEntries([...Object.entries(exports).map(([path, { types, default: file }]) => [path, { types, default: file }]), ['./package.json', './package.json']]) }),
    ...(bin === undefined ? {} : { bin }),
    files: ['dist', 'shim', 'DESIGN.md'],
    dependencies: Object.fromEntries([...Object.entries(dependencies), ...(bundles[rest.name.replace('@weft/', '')] === bundleSandbox ? leftOut.map((each): [string, string] => [each, 'catalog:runtime']) : [])].map(([name, wanted]) => [name, versionOf(name, wanted)])),
    publishConfig: { access: 'public', provenance: true },
  }
}
