import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toEndpointSlice } from '@weft/api'
import { realClock } from '@weft/daemon'
import { storeOf } from '@weft/kube/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { followApiServers, readServers, serversOf } from './api-servers.ts'

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const slice = (addresses: readonly string[], options: { readonly namespace?: string, readonly type?: 'IPv4' | 'IPv6', readonly ready?: boolean } = {}) => toEndpointSlice({
  metadata: { namespace: options.namespace ?? 'default', name: `kubernetes-${options.type ?? 'IPv4'}`, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
  addressType: options.type ?? 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: options.ready ?? true } })),
  ports: [{ name: 'https', port: 6443 }, { name: 'other', port: 1 }],
})

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-agent-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('serversOf()', () => {
  test('LIFE-2 takes the https port of ready endpoints of default/kubernetes, both families, and of no other Service', () => {
    expect(serversOf([slice(['172.30.0.10', '172.30.0.9']), slice(['fd00::10'], { type: 'IPv6' }), slice(['10.0.0.1'], { namespace: 'shop' })]))
      .toEqual(['https://172.30.0.10:6443', 'https://172.30.0.9:6443', 'https://[fd00::10]:6443'])
    expect(serversOf([slice(['172.30.0.10'], { ready: false })])).toEqual([])
  })
})

describe('readServers()', () => {
  test('has none where the file is missing, cut off or of another shape', () => {
    const path = join(folder, 'servers.json')
    expect(readServers(path)).toEqual([])
    for (const text of ['', '["https://a', '{}', '7']) {
      writeFileSync(path, text)
      expect(readServers(path)).toEqual([])
    }
    writeFileSync(path, '["https://172.30.0.10:6443", 7, "nonsense"]')
    expect(readServers(path)).toEqual(['https://172.30.0.10:6443'])
  })
})

describe('followApiServers()', () => {
  const follow = async (path: string, addresses: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const learned: (readonly string[])[] = []
    const done = new AbortController()
    const running = followApiServers({ slices: storeOf([slice(addresses)]), path, learn: (servers) => learned.push(servers), clock: realClock, logger: silent }, done.signal)
    await expect.poll(() => readServers(path)).toEqual(addresses.map((each) => `https://${each}:6443`))
    done.abort()
    await running
    return learned
  }

  test('LIFE-2 tells the client and keeps them for the next start, which writes nothing when they are the same', async () => {
    const path = join(folder, 'deep/servers.json')
    expect(await follow(path, ['172.30.0.10'])).toEqual([['https://172.30.0.10:6443']])
    expect(await follow(path, ['172.30.0.10'])).toEqual([])
    expect(await follow(path, ['172.30.0.11'])).toEqual([['https://172.30.0.11:6443']])
    expect(readFileSync(path, 'utf8')).toBe('["https://172.30.0.11:6443"]\n')
  })
})
