import { gunzipSync } from 'node:zlib'
import { unpackTar } from '@weft/image'
import { describe, expect, test } from 'vitest'
import { sysdump } from './sysdump.ts'
import { FakeCluster } from './testing/fake-cluster.ts'

describe('sysdump()', () => {
  test('has objects and logs under whatever names they have, no secret, and tells what could not be read', async () => {
    await using cluster = await FakeCluster.start(['a'])
    const { api } = cluster.server
    const long = `weft-${'x'.repeat(200)}`
    api.put('/api/v1/pods', { metadata: { name: long, namespace: 'kube-system', labels: { 'app.kubernetes.io/name': 'weft' } }, spec: { nodeName: 'a', containers: [{ name: 'agent', args: ['--password', 'hunter22'], env: [{ name: 'TOKEN', value: 'hunter22' }] }] } })
    api.put('/api/v1/configmaps', { metadata: { name: 'weft', namespace: 'kube-system' }, data: { 'agent.yaml': 'password: hunter22\nmtu: 1400\n' } })
    cluster.server.fault({ match: /\/log\?.*previous=false/, raw: 'it began: Bearer hunter22hunter22', times: Infinity })
    cluster.server.fault({ match: /\/log\?.*previous=true/, status: 400, reason: 'BadRequest', times: Infinity })
    const files = new Map(unpackTar(gunzipSync(await sysdump(cluster.kube, { signal: new AbortController().signal, onProgress: () => undefined }))).map((entry) => [entry.path, entry.kind === 'file' ? Buffer.from(entry.content).toString() : '']))
    expect(files.get(`weft/logs/${long}.agent.log`)).toBe('it began: Bearer <credentials>')
    expect(files.get('weft/objects/pods.json')).toContain('"name": "TOKEN"')
    expect(files.get('weft/configmap.json')).toContain('mtu: 1400')
    // No socket of an agent answers here.
    expect(files.get('weft/errors.txt')).toContain('nodes/a.status.txt: ')
    expect([...files.values()].filter((content) => content.includes('hunter22'))).toEqual([])
  })
})
