import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KubeClient } from './client.ts'
import { isAlreadyExists, isConflict, isGone, isNotFound, isUnreachable } from './errors.ts'
import { createKubeClient } from './http-client.ts'
import { objectPath } from './object-path.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { applyObject, createObject, deleteObject, getObject, listObjects, patchObject, replaceObject } from './verbs.ts'

const pods = '/api/v1/pods'
const shop = '/api/v1/namespaces/shop/pods'
let server: FakeApiServer
let client: KubeClient

beforeEach(async () => {
  server = await FakeApiServer.start()
  client = createKubeClient({ server: server.url, timeoutMs: 2_000, connectTimeoutMs: 500 })
})

afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

interface Thing {
  readonly metadata: { readonly name: string, readonly uid: string, readonly resourceVersion: string }
  readonly spec?: unknown
  readonly status?: unknown
}

describe('createKubeClient()', () => {
  test('refuses addresses that are no origins', () => {
    expect(() => createKubeClient({ server: 'example.org' })).toThrow('Cannot use server "example.org": it is no URL')
    expect(() => createKubeClient({ server: 'https://example.org/api' })).toThrow('it has a path')
    expect(() => createKubeClient({ server: [] })).toThrow('no server address')
  })

  test('creates, reads, replaces, patches, applies and deletes', async () => {
    const path = objectPath(pods, { namespace: 'shop', name: 'web' })
    const made = await createObject<Thing>(client, shop, { metadata: { name: 'web' }, spec: { a: 1 } })
    await expect(createObject(client, shop, { metadata: { name: 'web' } })).rejects.toSatisfy(isAlreadyExists)
    expect(await getObject(client, path)).toEqual(made)
    const replaced = await replaceObject<Thing>(client, path, { ...made, spec: { a: 2 } })
    await expect(replaceObject(client, path, made)).rejects.toSatisfy(isConflict)
    expect(replaced.spec).toEqual({ a: 2 })
    expect((await patchObject<Thing>(client, path, { spec: { a: null, b: 1 } }, { type: 'merge' })).spec).toEqual({ b: 1 })
    expect((await patchObject<Thing>(client, path, [{ op: 'add', path: '/spec/c', value: [1] }], { type: 'json' })).spec).toEqual({ b: 1, c: [1] })
    const status = await patchObject<Thing>(client, `${path}/status`, { spec: { b: 9 }, status: { conditions: [{ type: 'Ready', status: 'True' }] } }, { type: 'strategic' })
    expect(status).toMatchObject({ spec: { b: 1 }, status: { conditions: [{ type: 'Ready', status: 'True' }] } })
    expect((await applyObject<Thing>(client, path, { spec: { d: 1 } }, { fieldManager: 'test', force: true })).spec).toEqual({ b: 1, c: [1], d: 1 })
    expect(server.requests.at(-1)).toBe(`PATCH ${path}?fieldManager=test&force=true`)
    await expect(deleteObject(client, path, { uid: 'other' })).rejects.toSatisfy(isConflict)
    expect(await deleteObject(client, path, { uid: made.metadata.uid })).toBe(true)
    expect(await deleteObject(client, path)).toBe(false)
    await expect(getObject(client, path)).rejects.toSatisfy(isNotFound)
  })

  test('listObjects() reads page after page as of one moment', async () => {
    for (let index = 0; index < 25; index += 1) server.api.put(pods, { metadata: { namespace: 'shop', name: `p${index}` } })
    const list = await listObjects(client, pods, { pageSize: 10 })
    expect(list.items).toHaveLength(25)
    expect(list.resourceVersion).toBe('26')
    expect(server.requests).toHaveLength(3)
  })

  test('listObjects() takes smaller pages when one is too large', async () => {
    for (let index = 0; index < 16; index += 1) server.api.put(pods, { metadata: { name: `p${index}` }, spec: 'x'.repeat(1000) })
    await using small = createKubeClient({ server: server.url, maxBodyBytes: 4_000 })
    expect((await listObjects(small, pods, { pageSize: 16 })).items).toHaveLength(16)
  })

  test('listObjects() begins again when the server forgot the moment of the list', async () => {
    for (let index = 0; index < 5; index += 1) server.api.put(pods, { metadata: { name: `p${index}` } })
    server.fault({ match: /continue=/, status: 410, reason: 'Expired' })
    expect((await listObjects(client, pods, { pageSize: 3 })).items).toHaveLength(5)
  })

  test('tells Retry-After', async () => {
    server.fault({ status: 429, reason: 'TooManyRequests', retryAfterSeconds: 3 })
    await expect(getObject(client, pods)).rejects.toMatchObject({ status: 429, reason: 'TooManyRequests', retryAfterMs: 3_000 })
  })

  test('refuses redirects and never follows them', async () => {
    server.fault({ status: 302, raw: '', headers: { location: `${server.url}/api/v1/secrets` } })
    await expect(getObject(client, pods)).rejects.toMatchObject({ code: 'ERR_KUBE_STATUS', status: 302 })
    expect(server.requests).toHaveLength(1)
  })

  test('refuses answers that are no JSON or too large', async () => {
    server.fault({ raw: '<html>' })
    await expect(getObject(client, pods)).rejects.toMatchObject({ code: 'ERR_KUBE_GARBAGE' })
    await using small = createKubeClient({ server: server.url, maxBodyBytes: 100 })
    server.fault({ raw: JSON.stringify('x'.repeat(200)) })
    await expect(getObject(small, pods)).rejects.toMatchObject({ code: 'ERR_KUBE_TOO_LARGE' })
  })

  test('gives up on a server that does not answer', async () => {
    server.fault({ hang: true })
    await expect(client.request('GET', pods, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'ERR_KUBE_TIMEOUT' })
  })

  test('throws the reason of an abort, not an error of its own', async () => {
    server.fault({ hang: true })
    const controller = new AbortController()
    const waiting = client.request('GET', pods, { signal: controller.signal })
    const reason = new Error('stopping')
    setTimeout(() => controller.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)
  })

  test('moves to the next address, and stays there (LIFE-2)', async () => {
    await using other = await FakeApiServer.start()
    other.api.put(pods, { metadata: { name: 'a' } })
    await using both = createKubeClient({ server: [server.url, other.url] })
    await server.partition()
    expect((await listObjects(both, pods)).items).toHaveLength(1)
    await server.heal()
    await listObjects(both, pods)
    expect(other.requests).toHaveLength(2)
    expect(server.requests).toHaveLength(0)
  })

  test('says which addresses were tried, and what became of each, when none answers (LIFE-2)', async () => {
    await using both = createKubeClient({ server: [server.url, 'http://127.0.0.1:1'] })
    await server.partition()
    await expect(listObjects(both, pods)).rejects.toThrow(`Cannot GET ${pods}: no answer from ${server.url} (connection refused), http://127.0.0.1:1 (connection refused)`)
  })

  test('a write that may have arrived is not sent again, one that cannot have is', async () => {
    await using other = await FakeApiServer.start()
    await using both = createKubeClient({ server: [server.url, other.url] })
    server.fault({ drop: true })
    await expect(createObject(both, shop, { metadata: { name: 'a' } })).rejects.toSatisfy(isUnreachable)
    expect(other.requests).toHaveLength(0)
    await other.partition()
    await createObject(both, shop, { metadata: { name: 'b' } })
    expect(server.api.objects(pods).map(({ metadata }) => metadata.name)).toEqual(['b'])
  })

  test('a read on a kept connection that was closed meanwhile is tried again', async () => {
    server.fault({ drop: true })
    expect((await listObjects(client, pods)).items).toHaveLength(0)
  })

  test('reads the token file again after a 401, once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-kube-'))
    try {
      const tokenFile = join(folder, 'token')
      writeFileSync(tokenFile, 'first\n')
      await using fresh = createKubeClient({ server: server.url, tokenFile })
      await listObjects(fresh, pods)
      writeFileSync(tokenFile, 'second\n')
      server.fault({ status: 401, reason: 'Unauthorized' })
      await listObjects(fresh, pods)
      expect(server.headers.map(({ authorization }) => authorization)).toEqual(['Bearer first', 'Bearer first', 'Bearer second'])
      server.fault({ status: 401, reason: 'Unauthorized', times: 2 })
      await expect(listObjects(fresh, pods)).rejects.toMatchObject({ status: 401 })
      expect(server.headers).toHaveLength(5)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('watch() tells events until the server ends it', async () => {
    server.api.put(pods, { metadata: { name: 'a' } })
    const seen: string[] = []
    for await (const event of client.watch(pods, { resourceVersion: '2' }, { onOpen: () => { server.api.put(pods, { metadata: { name: 'b' } }) } })) {
      seen.push(event.type)
      if (event.type === 'ADDED') server.api.remove(pods, 'b')
      else server.api.endWatches()
    }
    expect(seen).toEqual(['ADDED', 'DELETED'])
  })

  test('watch() throws at garbage, oversize lines, cuts and refusals', async () => {
    const watching = async (onOpen: () => void): Promise<unknown> => await Array.fromAsync(client.watch(pods, { resourceVersion: '0' }, { onOpen }))
    await expect(watching(() => server.inject('{"type":"ADDED","object":\n'))).rejects.toMatchObject({ code: 'ERR_KUBE_GARBAGE' })
    await expect(watching(() => server.inject('{"type":"FROBBED","object":{}}\n'))).rejects.toMatchObject({ code: 'ERR_KUBE_GARBAGE' })
    await expect(watching(() => server.inject('x'.repeat(9 * 1024 * 1024)))).rejects.toMatchObject({ code: 'ERR_KUBE_TOO_LARGE' })
    await expect(watching(() => {
      server.inject('{"type":"ADDED",')
      setTimeout(() => server.cut(), 20)
    })).rejects.toSatisfy(isUnreachable)
    server.api.put(pods, { metadata: { name: 'a' } })
    server.api.put(pods, { metadata: { name: 'b' } })
    server.api.compact()
    await expect(Array.fromAsync(client.watch(pods, { resourceVersion: '1' }))).rejects.toSatisfy(isGone)
  })
})

describe('objectPath()', () => {
  test('keeps names inside their segment', () => {
    expect(objectPath(pods, { namespace: 'shop', name: 'web', subresource: 'status' })).toBe('/api/v1/namespaces/shop/pods/web/status')
    expect(objectPath('/api/v1/nodes', { name: 'a/../b' })).toBe('/api/v1/nodes/a%2F..%2Fb')
    expect(() => objectPath(pods, { namespace: 'shop', name: '..' })).toThrow(SyntaxError)
  })
})
