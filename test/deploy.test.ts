import { loadConfig } from '@weft/daemon'
import { type KubeObject, manifests, standaloneManifests, valuesSchema } from '@weft/manifests'
import { describe, expect, test } from 'vitest'
import { agentConfigSchema } from '../packages/agent/src/config.ts'
import { controllerConfigSchema } from '../packages/controller/src/config.ts'
import { dnsProgramConfigSchema } from '../packages/dns/src/program-config.ts'
import { policyProgramConfigSchema } from '../packages/policy/src/program-config.ts'
import { proxyProgramConfigSchema } from '../packages/proxy/src/program-config.ts'
import { deployFiles } from '../scripts/deploy-files.ts'
import { filesOf, read } from '../scripts/workspace.ts'

type ConfigMap = KubeObject & { readonly data: Readonly<Record<string, string>> }
const configMap = (values: object, name: string): Readonly<Record<string, string>> => (manifests(valuesSchema.parse(values)).find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name) as ConfigMap).data

describe('deploy/', () => {
  test.each([...deployFiles()])('$path is what the code says (pnpm generate)', ({ path, text }) => {
    expect(read(`deploy/${path}`)).toBe(text)
  })

  test('has no other manifests', () => {
    const made = new Set(deployFiles().map(({ path }) => `deploy/${path}`))
    expect(filesOf('deploy/*.yaml', 'deploy/crds/*', 'deploy/chart/**/*.*').filter((file) => !made.has(file))).toEqual([])
  })

  const programs = [
    { file: 'agent.yaml', schema: agentConfigSchema, defaults: { nodeName: 'n1' } },
    { file: 'dns.yaml', schema: dnsProgramConfigSchema, defaults: { nodeName: 'n1' } },
    { file: 'controller.yaml', schema: controllerConfigSchema, defaults: { identity: 'weft-controller-abc' } },
  ]

  test.each(programs)('$file of the ConfigMap is understood by its program', ({ file, schema, defaults }) => {
    const config = loadConfig<unknown>(schema, configMap({ apiServers: ['https://192.0.2.10:6443'] }, 'weft')[file], { source: file, defaults })
    expect(config).toMatchObject({ ...defaults, kube: { servers: ['https://192.0.2.10:6443'] } })
  })

  test.each(programs)('$file with the placeholder is refused, and says what is wanted', ({ file, schema, defaults }) => {
    expect(() => loadConfig<unknown>(schema, configMap({}, 'weft')[file], { source: file, defaults })).toThrow('kube.servers[0]: not the address of an API server, wanted one like https://192.0.2.10:6443')
  })

  const configOf = (program: 'proxy' | 'policy'): string => (standaloneManifests(program).find(({ kind }) => kind === 'ConfigMap') as ConfigMap).data[`${program}.yaml`]!

  test('the policy program alone understands its configuration as it is', () => {
    const config = loadConfig(policyProgramConfigSchema, configOf('policy'), { source: 'policy.yaml', defaults: { nodeName: 'n1' } })
    expect(config).toMatchObject({ nodeName: 'n1', health: { address: '127.0.0.1', port: 9156 } })
  })

  test('the proxy alone refuses the placeholder, and takes an address in its place', () => {
    const load = (text: string): unknown => loadConfig(proxyProgramConfigSchema, text, { source: 'proxy.yaml', defaults: { nodeName: 'n1' } })
    expect(() => load(configOf('proxy'))).toThrow('kube.servers[0]: not the address of an API server, wanted one like https://192.0.2.10:6443')
    expect(load(configOf('proxy').replace(/- REPLACE[^]*?(?=\n\S)/, '- https://192.0.2.10:6443'))).toMatchObject({ nodeName: 'n1', health: { address: '127.0.0.1', port: 9157 }, kube: { servers: ['https://192.0.2.10:6443'] } })
  })

  test('the board asks for metrics that there are', () => {
    const known = read('docs/reference/metrics.md')
    const asked = [...configMap({ monitoring: { dashboard: true } }, 'weft-dashboard')['weft.json']!.matchAll(/\bweft_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, ''))
    expect(asked.length).toBeGreaterThan(8)
    expect(asked.filter((name) => !known.includes(`\`${name}\``))).toEqual([])
  })
})
