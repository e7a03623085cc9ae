import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, pod } from '../../test/cluster.ts'
import { clusterOf } from '../../test/evaluated.ts'
import { createEvaluator } from './evaluator.ts'

const [shared, other] = ['10.244.1.2', '10.244.1.3'] as const
/** Two pods claim one address, in either order of the API's list. */
const claimants = (more: Parameters<typeof pod>[1] = {}): readonly (readonly object[])[] => {
  const [old, young] = [pod('x/old', { ips: [shared], labels: { app: 'old' }, ...more }), pod('x/young', { ips: [shared], labels: { app: 'young' }, ports: [{ name: 'web', containerPort: 80 }] })] as const
  return [[old, young], [young, old]]
}
const around = [namespace('x'), pod('x/other', { ips: [other], labels: { app: 'other' } })]
const from = (app: string): object => ({ from: [{ podSelector: { matchLabels: { app } } }] })

function reaches(objects: readonly object[], source: string, destination: string): boolean {
  return createEvaluator(clusterOf([...around, ...objects]))({ from: parseIp(source), to: parseIp(destination), protocol: 'TCP', port: 80 }).allowed
}

describe('createEvaluator() where two pods claim an address', () => {
  test('NP-18: both must allow what comes in, and what goes out', () => {
    for (const pods of claimants()) for (const app of ['old', 'young']) for (const type of ['Ingress', 'Egress']) {
      const objects = [...pods, networkPolicy('x/deny', { podSelector: { matchLabels: { app } }, policyTypes: [type] })]
      expect([reaches(objects, other, shared), reaches(objects, shared, other)], `${type} of ${app}`).toEqual([type === 'Egress', type === 'Ingress'])
    }
  })

  test('NP-18: a rule that opens must mean both, by labels and by the name of a port; one that closes needs only one', () => {
    for (const pods of claimants()) {
      const opens = (rule: object): object => networkPolicy('x/open', { podSelector: { matchLabels: { app: 'other' } }, ingress: [rule] })
      expect(['old', 'young'].map((app) => reaches([...pods, opens(from(app))], shared, other))).toEqual([false, false])
      expect(reaches([...pods, opens({ from: [{ podSelector: {} }] })], shared, other)).toBe(true)
      expect(reaches([...pods, networkPolicy('x/named', { podSelector: { matchLabels: { app: 'other' } }, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] })], other, shared)).toBe(false)
      const closes = (app: string): object => clusterPolicy('close', { tier: 'Admin', priority: 1, ingress: [{ action: 'Deny', from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } }] }] })
      expect(['old', 'young', 'nobody'].map((app) => reaches([...pods, closes(app)], shared, other))).toEqual([false, false, true])
    }
  })

  test('NP-18: one that is being deleted has none beside another', () => {
    for (const pods of claimants({ deleting: true })) {
      const open = networkPolicy('x/open', { podSelector: { matchLabels: { app: 'other' } }, ingress: [from('young')] })
      expect(reaches([...pods, open], shared, other)).toBe(true)
      expect(reaches([...claimants({ deleting: true })[0]!.slice(0, 1), networkPolicy('x/deny', { podSelector: { matchLabels: { app: 'old' } } })], other, shared), 'alone it still has it').toBe(false)
    }
  })
})
