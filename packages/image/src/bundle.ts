import { globSync } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { build as Build, InlineConfig, TsdownPlugin } from 'tsdown'

export interface BundledPackage {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** Where it is installed. */
  readonly folder: string
}

export interface Bundle {
  /** Names of the files written, sorted. */
  readonly files: readonly string[]
  /** Packages of others that are inside, sorted by name. */
  readonly packages: readonly BundledPackage[]
}

export interface BundleOptions {
  /** The repository. */
  readonly root: string
  /** Emptied first. */
  readonly outDir: string
}

/** Programs a person or a pod starts: file name without ending, and source. */
export const programs: Readonly<Record<string, string>> = {
  'weft': 'packages/cli/src/main.ts',
  'weft-agent': 'packages/agent/src/main.ts',
  'weft-prepare-node': 'packages/agent/src/prepare-node.ts',
  'weft-dns': 'packages/dns/src/main.ts',
  'weft-controller': 'packages/controller/src/main.ts',
  'weft-proxy': 'packages/proxy/src/main.ts',
  'weft-policy': 'packages/policy/src/main.ts',
  'weft-overlay': 'packages/overlay/src/main.ts',
  'weft-cni': 'packages/cni/src/main.ts',
  'weft-ipam': 'packages/ipam/src/main.ts',
  'weft-probe': 'packages/sandbox/src/probe/main.ts',
}

/** Programs of worker threads: they are found beside the file that starts them, under these names. */
const threads: Readonly<Record<string, string>> = {
  'netns-thread': 'packages/netlink/src/netns-thread.ts',
  'store-worker': 'packages/allocator/src/store-worker.ts',
  'udp-thread': 'packages/dns/src/server/udp-thread.ts',
}

/**
 * Bundles every program of an installation into one flat folder of ES modules that share their common parts. It needs
 * `koffi.node` (the native file of koffi's platform package) beside it and Node, nothing else.
 */
export async function bundle({ root, outDir }: BundleOptions): Promise<Bundle> {
  // Loaded here: it brings a compiler, which whoever only reads names does not need.
  const { build }: { build: typeof Build } = await import('tsdown')
  const yaml = createRequire(join(root, 'packages/daemon/package.json')).resolve('yaml')
  const common = bundling(root)
  const [result] = await build({
    ...common,
    entry: { ...mapValues({ ...programs, ...threads }, (source) => join(root, source)), yaml },
    outDir,
    clean: true,
    minify: true,
    // The image cannot build itself: the compilers stay outside.
    deps: { alwaysBundle: [/.*/], neverBundle: ['tsdown'] },
    plugins: [nativeKoffi(), lazyRequire()],
    outputOptions: {
      ...common.outputOptions,
      banner: ({ name }) => (name in programs ? '#!/usr/bin/node --disable-warning=ExperimentalWarning' : ''),
    },
  })
  for (const name of Object.keys(programs)) await chmod(join(outDir, `${name}.js`), 0o755)
  const modules = new Set(result!.chunks.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : [])))
  return { files: globSync('*', { cwd: outDir }).toSorted(), packages: await packagesOf([...modules, join(root, 'packages/netlink/node_modules/koffi/index.js')]) }
}

/** How programs of ours become bundles, in an image or for this repository: out of their sources, in parts that they share. */
export function bundling(root: string): Omit<InlineConfig, 'outputOptions'> & { readonly outputOptions: { readonly entryFileNames: string, readonly chunkFileNames: string } } {
  return {
    config: false,
    cwd: root,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    dts: false,
    report: false,
    logLevel: 'error',
    inputOptions: { resolve: { conditionNames: ['dev', 'node', 'import', 'module', 'default'] } },
    outputOptions: { entryFileNames: '[name].js', chunkFileNames: 'part-[hash].js' },
  }
}

/** koffi finds its native file by searching; here it lies beside the bundle. */
function nativeKoffi(): TsdownPlugin {
  return {
    name: 'native-koffi',
    resolveId: (id: string) => (id === 'koffi' ? '\0koffi' : undefined),
    load: (id: string) => (id === '\0koffi' ? "import { createRequire } from 'node:module'\nexport default createRequire(import.meta.url)('./koffi.node')\n" : undefined),
  }
}

/** What is loaded at its first use by `createRequire` is an entry of its own, beside the bundle. */
function lazyRequire(): TsdownPlugin {
  return {
    name: 'lazy-require',
    transform: (code: string) => code.replaceAll(/\bcreateRequire\(import\.meta\.url\)\('([\w-]+)'\)/g, "createRequire(import.meta.url)('./$1.js').default"),
  }
}

async function packagesOf(modules: readonly string[]): Promise<readonly BundledPackage[]> {
  const folders = new Set(modules.flatMap((id) => /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []))
  const found = new Map<string, BundledPackage>()
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { name: string, version: string, license?: string }
    found.set(`${name}@${version}`, { name, version, licence: license ?? 'NOASSERTION', folder: dirname(join(folder, 'package.json')) })
  }
  return [...found.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

function mapValues(record: Readonly<Record<string, string>>, to: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]))
}
