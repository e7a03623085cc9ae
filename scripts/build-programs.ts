// Builds what `./weft` runs into .weft/programs: a start loads ten files instead of some hundred, and strips no types.
// The front door calls it when a source is newer than the last build.
import { copyFile, mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildShim } from '../packages/plugin/src/build-shim.ts'
import { build, type InlineConfig } from 'tsdown'
import { readManifests } from '../packages/sandbox/src/inside/manifests.ts'
import { root } from './workspace.ts'

/** Programs, and those of worker threads: these are found under these names beside whoever starts them. */
const entry: Readonly<Record<string, string>> = {
  'weft': 'packages/cli/src/main.ts',
  'weft-agent': 'packages/agent/src/main.ts',
  'weft-dns': 'packages/dns/src/main.ts',
  'weft-controller': 'packages/controller/src/main.ts',
  'weft-probe': 'packages/sandbox/src/probe/main.ts',
  'sandbox-init': 'packages/sandbox/src/init.ts',
  'shim-twin-main': 'packages/plugin/src/shim-twin-main.ts',
  'netns-thread': 'packages/netlink/src/netns-thread.ts',
  'store-worker': 'packages/allocator/src/store-worker.ts',
  'udp-thread': 'packages/dns/src/server/udp-thread.ts',
  'prober-thread': 'packages/sandbox/src/runner/prober-thread.ts',
}

/** Builds that stay: a running sandbox loads parts of its own late. */
const kept = 8

const started = new Date()
const folder = join(root, '.weft/programs')
const name = started.toISOString().replaceAll(/[^\dT]/g, '')
const outDir = join(folder, name)

const common: InlineConfig = {
  config: false,
  cwd: root,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  dts: false,
  report: false,
  logLevel: 'error',
  deps: { alwaysBundle: [/.*/], neverBundle: ['koffi', 'yaml', 'tsdown'] },
  inputOptions: { resolve: { conditionNames: ['dev', 'node', 'import', 'module', 'default'] } },
  outputOptions: { entryFileNames: '[name].js', chunkFileNames: 'part-[hash].js' },
}

await mkdir(outDir, { recursive: true })
await build({ ...common, entry: { ...entry }, outDir })
await build({ ...common, entry: { main: 'packages/sandbox/src/probe/main.ts' }, outDir: join(outDir, 'sandbox-probe') })
await writeFile(join(outDir, 'package.json'), '{"type":"module"}\n')
await writeFile(join(outDir, 'sandbox-manifests.json'), JSON.stringify(await readManifests()))
await mkdir(join(outDir, 'node_modules'))
await symlink(join(root, 'packages/netlink/node_modules/koffi'), join(outDir, 'node_modules/koffi'))
await symlink(join(root, 'packages/daemon/node_modules/yaml'), join(outDir, 'node_modules/yaml'))
const shim = await buildShim(join(root, '.weft/shim'))
if (shim.kind === 'binary') await copyFile(shim.path, join(outDir, 'weft-cni'))

// Nobody sees half a build; what was saved while it ran is newer than it.
await utimes(join(outDir, 'weft.js'), started, started)
const link = join(folder, `${name}.link`)
await symlink(name, link)
await rename(link, join(folder, 'current'))
const builds = (await readdir(folder)).filter((each) => /^\d{8}T/.test(each)).toSorted()
for (const old of builds.slice(0, -kept)) await rm(join(folder, old), { recursive: true, force: true })
