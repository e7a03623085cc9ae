// Builds what `./weft` runs into .weft/programs: a start loads ten files instead of some hundred, and strips no types.
// The front door calls it when a source is newer than the last build.
import { mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleSandbox, copyShim } from './program-bundles.ts'
import { root } from './workspace.ts'

/** Builds that stay: a running sandbox loads parts of its own late. */
const kept = 8

const started = new Date()
const folder = join(root, '.weft/programs')
const name = started.toISOString().replaceAll(/[^\dT]/g, '')
const outDir = join(folder, name)

await bundleSandbox(outDir, { 'weft-proxy': 'packages/proxy/src/main.ts', 'weft-policy': 'packages/policy/src/main.ts', weft: 'packages/cli/src/main.ts' })
await writeFile(join(outDir, 'package.json'), '{"type":"module"}\n')
await mkdir(join(outDir, 'node_modules'))
await symlink(join(root, 'packages/netlink/node_modules/koffi'), join(outDir, 'node_modules/koffi'))
await symlink(join(root, 'packages/daemon/node_modules/yaml'), join(outDir, 'node_modules/yaml'))
await copyShim(outDir)

// Nobody sees half a build; what was saved while it ran is newer than it.
await utimes(join(outDir, 'weft.js'), started, started)
const link = join(folder, `${name}.link`)
await symlink(name, link)
await rename(link, join(folder, 'current'))
const builds = (await readdir(folder)).filter((each) => /^\d{8}T/.test(each)).toSorted()
for (const old of builds.slice(0, -kept)) await rm(join(folder, old), { recursive: true, force: true })
