import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Loads a module in a fresh process; tells which other packages that loaded. */
function packagesLoadedBy(module: string): string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = new Set()
    registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context) } })
    await import(${JSON.stringify(join(import.meta.dirname, module))})
    const names = [...loaded].flatMap((url) => url.split('/node_modules/').length > 1 ? [url.split('/node_modules/').at(-1).split('/').slice(0, 2).join('/')] : [])
    console.log(JSON.stringify([...new Set(names)]))`
  const output = execFileSync(process.execPath, ['-C', 'dev', '--input-type=module', '-e', script], { encoding: 'utf8' })
  const names: string[] = JSON.parse(output)
  return names.map((name) => name.startsWith('@') ? name : name.split('/')[0]!)
}

describe('import budget', () => {
  // Design decision 9: client-node costs 270 ms and 131 MB, undici 90 ms and 30 MB.
  test('@weft/kube loads neither client-node nor undici before they are needed', () => {
    const packages = packagesLoadedBy('index.ts')
    expect(packages).not.toContain('@kubernetes/client-node')
    expect(packages).not.toContain('undici')
  })

  test('a client with a token loads undici and not client-node', () => {
    expect(packagesLoadedBy('servers.ts')).toContain('undici')
    expect(packagesLoadedBy('servers.ts')).not.toContain('@kubernetes/client-node')
  })
})
