import { describe, expect, test } from 'vitest'
import { containerEnvironment, type EnvironmentSources, expand, MissingReference } from './pod-environment.ts'
import type { Container } from './pod-object.ts'

const sources: EnvironmentSources = {
  pod: { metadata: { name: 'p', namespace: 'shop', uid: 'u', resourceVersion: '1', labels: { app: 'web' } }, spec: { nodeName: 'n1', containers: [] } },
  podIps: ['10.244.0.5', 'fd00::5'],
  hostIps: ['172.30.1.11'],
  apiService: 'fd00:10:96::1',
  data: (kind, name) => (kind === 'configmaps' && name === 'settings' ? { KEY: 'value' } : undefined),
}
const environment = (container: Partial<Container>): Record<string, string> => containerEnvironment({ name: 'c', image: 'i', ...container }, sources)

describe('containerEnvironment()', () => {
  test('tells where the API server is, IPv6 in brackets where a URL needs it', () => {
    expect(environment({})).toMatchObject({ KUBERNETES_SERVICE_HOST: 'fd00:10:96::1', KUBERNETES_SERVICE_PORT: '443', KUBERNETES_PORT: 'tcp://[fd00:10:96::1]:443' })
  })

  test('reads the downward API, maps and earlier variables', () => {
    const env = [
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'ONE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'KEY' } } },
      { name: 'URL', value: 'http://$(IP)/$(NOBODY)/$$(IP)' },
    ]
    expect(environment({ env, envFrom: [{ prefix: 'P_', configMapRef: { name: 'settings' } }] })).toMatchObject({
      IP: '10.244.0.5', IPS: '10.244.0.5,fd00::5', APP: 'web', ONE: 'value', P_KEY: 'value', URL: 'http://10.244.0.5/$(NOBODY)/$(IP)',
    })
  })

  test('waits for what is missing unless it is optional', () => {
    expect(() => environment({ envFrom: [{ configMapRef: { name: 'none' } }] })).toThrow(MissingReference)
    expect(() => environment({ env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'none', key: 'k' } } }] })).toThrow(/secrets "none" not found/)
    expect(environment({ env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'none', key: 'k', optional: true } } }] })).not.toHaveProperty('X')
  })
})

describe('expand()', () => {
  test('replaces known names only', () => {
    expect(expand('$(A) $(B) $$(A) $A', { A: '1' })).toBe('1 $(B) $(A) $A')
  })
})
