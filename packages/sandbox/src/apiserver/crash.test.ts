/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createKubeClient } from '@weft/kube'
import type { KubeObject } from './json.ts'
import { CONFIG_MAPS, configMap, makeDefaultNamespace, startServer } from './testing/start-server.ts'

const PROGRAM = `
  const { startServer } = await import(${JSON.stringify(new URL('testing/start-server.ts', import.meta.url).href)})
  const { server, url } = await startServer({ folder: process.argv[1] })
  console.log(JSON.stringify({ url, ca: server.ca, token: server.adminToken }))
`

test('P5 createApiServer() loses nothing it acknowledged when it is killed in the middle of writes', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-crash-'))
  const acknowledged = new Map<string, string>()
  let revision = 0
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['-C', 'dev', '--input-type=module', '-e', PROGRAM, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { url, ca, token } = JSON.parse(line) as { url: string, ca: string, token: string }
    const client = createKubeClient({ server: url, ca, token })
    if (round === 0) await makeDefaultNamespace(client)
    let killed = false
    const write = async (writer: number): Promise<void> => {
      for (let index = 0; !killed; index++) {
        const name = `w${round}-${writer}-${index}`
        try {
          const written = await client.request<KubeObject>('POST', CONFIG_MAPS, { body: configMap(name, { x: 'y'.repeat(500) }) })
          acknowledged.set(name, written.metadata.uid)
          revision = Math.max(revision, Number(written.metadata.resourceVersion))
        } catch {
          return
        }
      }
    }
    const writers = [0, 1, 2, 3].map(write)
    while (acknowledged.size < (round + 1) * 100) await new Promise(resolve => setImmediate(resolve))
    child.kill('SIGKILL')
    await once(child, 'exit')
    killed = true
    await Promise.all(writers)
    await client[Symbol.asyncDispose]()
  }
  const again = await startServer({ folder })
  const list = await again.client.request<{ metadata: { resourceVersion: string }, items: KubeObject[] }>('GET', CONFIG_MAPS)
  const found = new Map(list.items.map(item => [item.metadata.name, item.metadata.uid]))
  for (const [name, uid] of acknowledged) expect(found.get(name)).toBe(uid)
  expect(Number(list.metadata.resourceVersion)).toBeGreaterThanOrEqual(revision)
  await again[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
