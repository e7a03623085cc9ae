import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { type KubeObject, manifests, valuesSchema } from '@weft/manifests'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { read, root } from '../scripts/workspace.ts'

const helm = process.env['HELM'] ?? 'helm'

function whyNoHelm(): string | undefined {
  try {
    execFileSync(helm, ['version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return `Needs ${helm}, not found on the PATH (HELM names another)`
  }
}

const reason = whyNoHelm()

/** What Helm makes of the chart, by kind and name; configuration as values, for text may be written in several ways. */
function template(values: object): Map<string, unknown> {
  const text = execFileSync(helm, ['template', 'weft', join(root, 'deploy/chart'), '--namespace', 'kube-system', '--kube-version', '1.36.0', '--values', '-'], { input: JSON.stringify(values), encoding: 'utf8' })
  return byName(parseAllDocuments(text).map((document) => document.toJS() as KubeObject | null).filter((each) => each !== null))
}

function byName(objects: readonly KubeObject[]): Map<string, unknown> {
  return new Map(objects.map((object) => {
    const { kind, metadata, ['data']: data } = object
    const files = kind === 'ConfigMap' ? { data: Object.fromEntries(Object.entries(data as Record<string, string>).map(([file, text]) => [file, parse(text) as unknown])) } : {}
    return [`${kind}/${metadata.name}`, { ...object, ...files }]
  }))
}

describe.skipIf(reason !== undefined)(skippable('deploy/chart', reason), () => {
  test('with its defaults is deploy/weft.yaml', () => {
    expect(template({})).toEqual(byName(parseAllDocuments(read('deploy/weft.yaml')).map((document) => document.toJS() as KubeObject)))
  })

  test.each([
    { name: 'dual stack', values: { apiServers: ['https://192.0.2.10:6443', 'https://[2001:db8::1]:6443'], dns: { addresses: ['10.96.0.10', 'fd00:10:96::a'], zone: 'corp.example' } } },
    { name: 'other folders and image', values: { image: { repository: 'registry.example/weft', tag: 'dev', pullPolicy: 'Always' }, cni: { binDir: '/var/lib/rancher/k3s/data/cni', confDir: '/var/lib/rancher/k3s/agent/etc/cni/net.d' }, controller: { replicas: 1 }, rollout: { maxUnavailable: 3 } } },
    { name: 'configuration of the programs', values: { config: { agent: { logLevel: 'debug', overlay: { mode: 'vxlan', masqueradeExcept: ['10.0.0.0/8'] } }, dns: { dns: { forward: { stubDomains: { 'corp.example': ['10.0.0.53'] } } } }, controller: { pools: { pools: [{ name: 'default', cidr: '10.244.0.0/16' }] } } } } },
    { name: 'monitoring', values: { monitoring: { listen: '[::]', serviceMonitor: true, dashboard: true } } },
  ])('is what the source renders: $name', ({ values }) => {
    expect(template(values)).toEqual(byName(manifests(valuesSchema.parse(values))))
  })

  test('refuses a value that there is not, and one of the wrong type', () => {
    expect(() => template({ apiServer: ['https://192.0.2.10:6443'] })).toThrow('apiServer')
    expect(() => template({ controller: { replicas: 'two' } })).toThrow('replicas')
  })
})
