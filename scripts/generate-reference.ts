// Writes docs/reference and the tables of behaviours from the code: `pnpm generate`. Tests hold the pages against it.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { behavioursByPackage, readmeOf, withBehaviours } from './behaviours.ts'
import { configPage } from './config-page.ts'
import { errorsPage } from './errors-page.ts'
import { metricsPage } from './metrics-page.ts'
import { read, root } from './workspace.ts'

const folder = join(root, 'docs/reference')
await mkdir(folder, { recursive: true })
await writeFile(join(folder, 'errors.md'), errorsPage())
await writeFile(join(folder, 'metrics.md'), await metricsPage())
await writeFile(join(folder, 'config.md'), await configPage())
for (const [name, behaviours] of behavioursByPackage()) await writeFile(join(root, readmeOf(name)), withBehaviours(read(readmeOf(name)), name, behaviours))
