import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { demoNamespace } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

interface Role {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules: readonly { readonly apiGroups: readonly string[], readonly resources: readonly string[], readonly verbs: readonly string[] }[]
}

interface AuditEntry {
  readonly user: string
  readonly verb: string
  readonly group?: string
  readonly resource?: string
  readonly allowed: number
  readonly refused: number
}

const ipam = '/apis/weft.dev/v1alpha1'

// The API server judges every request by deploy/rbac.yaml and counts it, so what the programs really ask can be compared with what
// they may. Every way of working that needs a right of its own is taken once: address blocks, verified pod names, refused objects,
// a server that streams no lists, a node that is gone.
describe('deploy/rbac.yaml against what the programs ask of the API server', () => {
  let sandbox: RunningSandbox
  let entries: readonly AuditEntry[]

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4', {
      nodes: 2,
      programs: {
        agent: { ipam: { mode: 'blocks', lowWater: 2 } },
        dns: { dns: { pods: 'verified' } },
        controller: { pools: { pools: [{ name: 'first', cidr: '10.200.0.0/16', blockPrefix: 30 }], nodeGrace: '1s', interval: '1s' } },
      },
    })
    const { cluster: { kube }, handle } = sandbox
    const ipBlock = (name: string, cidr: string, node: string): object => ({ apiVersion: 'weft.dev/v1alpha1', kind: 'IPBlock', metadata: { name }, spec: { cidr, pool: 'first', node } })

    // A block nobody has is taken before a new one is made; the block of a vanished node is collected.
    await kube.request('POST', `${ipam}/ipblocks`, { body: ipBlock('10-200-255-240-28', '10.200.255.240/28', '') })
    await kube.request('POST', `${ipam}/ipblocks`, { body: ipBlock('10-200-255-224-28', '10.200.255.224/28', 'ghost') })
    // Of pools that overlap the later name is refused, with an Event.
    await kube.request('POST', `${ipam}/ippools`, { body: { apiVersion: 'weft.dev/v1alpha1', kind: 'IPPool', metadata: { name: 'second' }, spec: { cidr: '10.200.128.0/17' } } })
    // A status that cannot be read is refused by agents and DNS.
    const pods = `/api/v1/namespaces/${demoNamespace}/pods`
    await kube.request('POST', pods, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'odd' }, spec: { nodeName: 'elsewhere', containers: [{ name: 'c', image: 'weft.dev/probe' }] } } })
    await kube.request('PATCH', `${pods}/odd/status`, { body: { status: { podIPs: [{ ip: '127.0.0.300' }] } }, contentType: 'application/merge-patch+json' })

    // More pods than the blocks of a node have addresses: its agent takes another.
    for (let index = 0; index < 4; index++) await kube.request('POST', pods, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: `more-${index}` }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10' }] } } })

    // A server that cannot stream lists is listed.
    await kube.request('PUT', '/weft/faults', { body: { refuseWatchList: true, expireWatches: true } })

    const deadline = performance.now() + 60_000
    for (let round = 0; ; round++) {
      // The same refusal again counts the Event up.
      await kube.request('PATCH', `${pods}/odd/status`, { body: { status: { message: String(round) } }, contentType: 'application/merge-patch+json' })
      await kube.request('PATCH', `${ipam}/ippools/second`, { body: { metadata: { labels: { round: String(round) } } }, contentType: 'application/merge-patch+json' })
      entries = (await kube.request<{ entries: readonly AuditEntry[] }>('GET', '/weft/audit')).entries
      if (performance.now() > deadline) break
      const granted = await rights()
      if (Object.entries(granted).every(([program, list]) => list.every((right) => used(entries, program).includes(right)))) break
      await sleep(500)
    }
    expect(handle.nodes).toHaveLength(2)
  }, 180_000)

  afterAll(async () => sandbox[Symbol.asyncDispose]())

  test.each(['agent', 'controller', 'dns'])('%s may do what it does, and nothing else', async (program) => {
    expect(used(entries, program)).toEqual((await rights())[program])
  })

  test('no request was refused', () => {
    expect(entries.filter(({ refused }) => refused > 0)).toEqual([])
  })
})

/** `group/resource verb`, for every right the roles of a program give. */
async function rights(): Promise<Readonly<Record<string, readonly string[]>>> {
  const roles = parseAllDocuments(await readFile(new URL('../deploy/rbac.yaml', import.meta.url), 'utf8')).map((document) => document.toJS() as Role)
  const of = (program: string): readonly string[] => sorted(roles.filter(({ kind, metadata }) => kind.endsWith('Role') && metadata.name === `weft-${program}`)
    .flatMap(({ rules }) => rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`))))))
  return Object.fromEntries(['agent', 'controller', 'dns'].map((program) => [program, of(program)]))
}

function used(entries: readonly AuditEntry[], program: string): readonly string[] {
  return sorted(entries.filter(({ user, resource }) => user === `system:serviceaccount:kube-system:weft-${program}` && resource !== undefined).map(({ group, resource, verb }) => `${group}/${resource} ${verb}`))
}

function sorted(words: readonly string[]): readonly string[] {
  return [...new Set(words)].toSorted()
}
