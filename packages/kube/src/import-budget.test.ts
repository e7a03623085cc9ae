import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Loads a module in a fresh process; tells which files of other packages that loaded. */
function filesLoadedBy(module: string): string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = new Set()
    registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context) } })
    await import(${JSON.stringify(join(import.meta.dirname, module))})
    console.log(JSON.stringify([...loaded].filter((url) => url.includes('/node_modules/')).map((url) => url.split('/node_modules/').at(-1))))`
  const output = execFileSync(process.execPath, ['-C', 'dev', '--input-type=module', '-e', script], { encoding: 'utf8' })
  return JSON.parse(output) as string[]
}

describe('import budget', () => {
  // Design decision 9: client-node costs 270 ms and 131 MB, undici 90 ms and 30 MB.
  test('@weft/kube loads neither client-node nor undici before they are needed', () => {
    expect(filesLoadedBy('index.ts').filter((file) => /^(@kubernetes\/client-node|undici)\//.test(file))).toEqual([])
  })

  test('a client with a token loads the pool of undici, and neither the rest of it nor client-node', () => {
    const files = filesLoadedBy('servers.ts')
    expect(files).toContain('undici/lib/dispatcher/pool.js')
    expect(files.filter((file) => /^(@kubernetes\/client-node\/|undici\/index\.js|undici\/lib\/(web|mock|cache))/.test(file))).toEqual([])
  })
})
