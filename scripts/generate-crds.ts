// Writes deploy/crds from the zod schemas of packages/api. `pnpm generate`; a test holds the files against the code.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crdFiles } from './crd-files.ts'

const folder = fileURLToPath(new URL('../deploy/crds/', import.meta.url))
await mkdir(folder, { recursive: true })
for (const { name, text } of crdFiles()) await writeFile(join(folder, name), text)
