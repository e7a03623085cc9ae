import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type InlineConfig } from 'tsdown'
import { bundling } from '../packages/image/src/bundle.ts'
import { buildShim } from '../packages/plugin/src/build-shim.ts'
import { readManifests } from '../packages/sandbox/src/inside/manifests.ts'
import { root } from './workspace.ts'

/** Programs, and those of worker threads: these are found under these names beside whoever starts them. */
const sandboxPrograms = {
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
} as const

const common: InlineConfig = {
  ...bundling(root),
  // Files that stay as they were before: other bundles lie in the same folder.
  clean: false,
  deps: { alwaysBundle: [/.*/], neverBundle: ['koffi', 'yaml', 'tsdown'] },
}

/** What a bundle leaves to `node_modules`: a native file, and what is large and seldom loaded. */
export const leftOut = ['koffi', 'yaml'] as const

/** Everything that a sandbox starts, and more programs by name, into one flat folder, where each finds the others. */
export async function bundleSandbox(outDir: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
  await mkdir(outDir, { recursive: true })
  await build({ ...common, entry: { ...more, ...sandboxPrograms }, outDir })
  await build({ ...common, entry: { main: sandboxPrograms['weft-probe'] }, outDir: join(outDir, 'sandbox-probe') })
  await writeFile(join(outDir, 'sandbox-manifests.json'), JSON.stringify(await readManifests()))
}

/** The probe alone. */
export async function bundleProbe(outDir: string): Promise<void> {
  await build({ ...common, entry: { 'weft-probe': sandboxPrograms['weft-probe'] }, outDir })
}

/** The CNI plugin of this machine, where it can be compiled. */
export async function copyShim(outDir: string): Promise<void> {
  const shim = await buildShim(join(root, '.weft/shim'))
  if (shim.kind === 'binary') await copyFile(shim.path, join(outDir, 'weft-cni'))
}
