import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { install, type InstallOptions } from './install.ts'
import { FakeCluster } from './testing/fake-cluster.ts'
import { upgrade, type UpgradeOptions } from './upgrade.ts'

const { signal } = new AbortController()
const image = (tag: string): string => `registry.example/weft:${tag}`

describe('upgrade()', () => {
  let cluster: FakeCluster
  const options = (changed: Partial<InstallOptions> = {}): InstallOptions => ({ values: {}, image: image('1'), replaceKubeProxy: false, force: false, signal, clock: cluster.clock, timeoutMs: 10_000, onProgress: () => undefined, ...changed })
  const upgradeTo = async (tag: string | undefined, changed: Partial<UpgradeOptions> = {}): Promise<readonly string[]> => await upgrade(cluster.kube, { values: {}, image: tag === undefined ? undefined : image(tag), signal, clock: cluster.clock, timeoutMs: 10_000, onProgress: () => undefined, ...changed })
  const images = (): readonly string[] => Object.values(cluster.agents()).map((agent) => agent.image)
  const config = (): string => (cluster.object('/api/v1/configmaps', 'weft')['data'] as { readonly 'agent.yaml': string })['agent.yaml']

  beforeEach(async () => {
    cluster = await FakeCluster.start(['a', 'b', 'c'])
    await install(cluster.kube, options({ values: { config: { agent: { proxy: { nodePortLoopback: true } } } } }))
  })
  afterEach(async () => cluster[Symbol.asyncDispose]())

  test('every agent is replaced, one after the other, and the controller of DaemonSets is in charge again', async () => {
    expect(await upgradeTo('2')).toEqual(['a', 'b', 'c'])
    expect(images()).toEqual([image('2'), image('2'), image('2')])
    expect(cluster.object('/apis/apps/v1/daemonsets', 'weft-agent').spec).toMatchObject({ updateStrategy: { type: 'RollingUpdate' } })
  })

  test('values of the installation are kept, those that are given are laid over them, null takes one away', async () => {
    await upgradeTo('2', { values: { config: { agent: { proxy: { nodePortAddresses: ['192.0.2.0/24'] } } } } })
    expect(config()).toMatch(/nodePortLoopback: true[^]*192\.0\.2\.0\/24/)
    await upgradeTo('3', { values: { config: { agent: { proxy: { nodePortLoopback: null } } } } })
    expect(config()).not.toContain('nodePortLoopback')
    expect(config()).toContain('192.0.2.0/24')
  })

  test('without an image the repository stays, and the tag is that of this program', async () => {
    await upgradeTo(undefined)
    expect(new Set(images())).toEqual(new Set([image('0.1.0')]))
  })

  test('N7 it stops at the node that does not come back, and goes on from there', async () => {
    cluster.sick.set('b', image('2'))
    await expect(upgradeTo('2')).rejects.toMatchObject({ code: 'ERR_INSTALL_UPGRADE', message: expect.stringMatching(/node "b".*1 nodes keep the version before/) })
    expect(cluster.agents()).toMatchObject({ a: { image: image('2') }, b: { image: image('2') }, c: { image: image('1') } })

    // To a version that works: the sick node first.
    expect(await upgradeTo('3')).toEqual(['b', 'a', 'c'])
    expect(new Set(images())).toEqual(new Set([image('3')]))
  })

  test('N7 run again to the same version it touches only nodes that are not there yet', async () => {
    cluster.sick.set('b', image('2'))
    await expect(upgradeTo('2')).rejects.toThrow('node "b"')
    const before = cluster.agents()
    cluster.sick.clear()
    cluster.work()
    expect(await upgradeTo('2')).toEqual(['c'])
    expect([cluster.agents()['a'], cluster.agents()['b']]).toEqual([before['a'], before['b']])
  })

  test('a cluster that is sick for another reason is not begun with', async () => {
    cluster.sick.set('b', image('1'))
    cluster.work()
    await expect(upgradeTo('2')).rejects.toMatchObject({ code: 'ERR_INSTALL_UPGRADE', message: expect.stringContaining('Cannot begin upgrade: b:') })
    expect(new Set(images())).toEqual(new Set([image('1')]))
  })

  test('N8 no pod is deleted before the controller of DaemonSets knows the new template', async () => {
    cluster.controls = false
    await expect(upgradeTo('2')).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT' })
    expect(Object.keys(cluster.agents())).toEqual(['a', 'b', 'c'])
  })

  test('an installation of somebody else is left to him', async () => {
    const map = cluster.object('/api/v1/configmaps', 'weft')
    cluster.server.api.put('/api/v1/configmaps', { ...map, metadata: { ...map.metadata, annotations: {} } })
    await expect(upgradeTo('2')).rejects.toThrow('upgrade it as it was installed')
    await using empty = await FakeCluster.start(['a'])
    await expect(upgrade(empty.kube, { values: {}, signal, clock: empty.clock, timeoutMs: 1000, onProgress: () => undefined })).rejects.toThrow('not installed here')
  })
})
