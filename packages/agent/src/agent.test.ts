import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { loadConfig } from '@weft/daemon'
import { describe, expect, test } from 'vitest'
import { agentConfigSchema } from './config.ts'

const main = fileURLToPath(new URL('./index.ts', import.meta.url))

describe('agent', () => {
  test('A6 importing it loads neither client-node nor fastify', { timeout: 60_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=dev', '--disable-warning=ExperimentalWarning', '--input-type=module', '--import', `data:text/javascript,${encodeURIComponent(hook)}`, '-e', `await import(${JSON.stringify(main)})`])
    const urls = JSON.parse(stdout.split('\n').find((line) => line.startsWith('['))!) as string[]
    expect(urls.length).toBeGreaterThan(20)
    expect(urls.filter((url) => /client-node|fastify|commander/.test(url))).toEqual([])
  })
})

/** Prints, at exit, every module that was resolved. */
const hook = `
import { registerHooks } from 'node:module'
const urls = []
registerHooks({ resolve(specifier, context, next) { const found = next(specifier, context); urls.push(found.url); return found } })
process.on('exit', () => console.log(JSON.stringify(urls)))
`

describe('agentConfigSchema', () => {
  test('has a default for everything but the name of the node', () => {
    const config = loadConfig(agentConfigSchema, { nodeName: 'n1' }, { source: 'test' })
    expect(config).toMatchObject({ nodeName: 'n1', logLevel: 'info', cni: { socketPath: '/run/weft/cni.sock' }, overlay: { mode: 'auto' } })
  })

  test('tells all problems at once, with their paths', () => {
    expect(() => loadConfig(agentConfigSchema, { overlay: { vni: 0 }, proxy: { unknown: 1 } }, { source: 'agent.yaml' })).toThrow(/agent\.yaml.*nodeName.*overlay\.vni.*unknown/s)
  })
})
