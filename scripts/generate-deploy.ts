// Writes what of `deploy/` is made from code. `pnpm generate`; a test holds the files against the code.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { deployFiles } from './deploy-files.ts'
import { root } from './workspace.ts'

for (const { path, text } of deployFiles()) {
  const file = join(root, 'deploy', path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
