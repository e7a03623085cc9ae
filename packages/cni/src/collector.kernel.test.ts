import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { skippable } from '@weft/daemon/testing'
import { formatIp } from '@weft/ip'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNode, eventually, hostLinks, networkConfig, type NodeFixture } from '../test/node-fixture.ts'
import { programs } from '@weft/plugin/testing'
import { linkIdentity } from './link-name.ts'

const [[, program]] = await programs()

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('attachments that nobody takes away', reason), () => {
  let node: NodeFixture
  let folder: string
  const pods = new Map<string, TestNamespace>()

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-collect-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'store', folder])
    node = await createNode(program, { resync: '100ms', collectGrace: '300ms', storeFolder: folder })
    await node.start()
  })
  afterEach(async () => {
    await node[Symbol.asyncDispose]()
    for (const pod of pods.values()) await pod[Symbol.asyncDispose]()
    pods.clear()
    execFileSync('umount', [folder])
    await rm(folder, { recursive: true })
  })

  async function add(containerId: string, config: Readonly<Record<string, unknown>> = {}): Promise<TestNamespace> {
    const pod = await TestNamespace.create()
    pods.set(containerId, pod)
    const { exitCode, stdout } = await node.call('ADD', { containerId, netns: pod.path, config })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    return pod
  }

  async function lose(containerId: string): Promise<void> {
    await pods.get(containerId)![Symbol.asyncDispose]()
    pods.delete(containerId)
    await eventually('the link goes', () => node.namespace.route.findLink(linkIdentity(containerId, 'eth0').hostIfname) === undefined)
  }

  const known = (): readonly string[] => node.addresses.attachments().map(({ containerId }) => containerId).toSorted()

  test('NET-13, NET-14 are released when link, namespace and pod were gone for the grace period; a pod that the API has no more keeps its network until then (fault 11)', async () => {
    node.pods = new Set(['listed'])
    for (const id of ['lives', 'lost', 'listed']) await add(id)
    for (const id of ['lost', 'listed']) await lose(id)
    await eventually('what is lost is released', () => !known().includes('lost'))
    expect(known()).toEqual(['listed', 'lives'])
    expect(node.lines.filter(({ message }) => message === 'attachment of nobody released')).toHaveLength(1)
    expect(await pods.get('lives')!.echoes('172.30.1.11')).toBe(true)
    expect(await node.namespace.echoes(formatIp(node.addresses.find({ containerId: 'lives', ifname: 'eth0' })!.ips[0]!))).toBe(true)
    // The API server went away, and the pod with it: not knowing is no proof.
    node.pods = undefined
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(known()).toEqual(['listed', 'lives'])
    node.pods = new Set()
    await eventually('the other too', () => !known().includes('listed'))
  })

  test('C15 what a pod left for a newer sandbox is released, though the pod is here', async () => {
    node.pods = new Set(['web'])
    const addSandbox = async (containerId: string): Promise<void> => {
      const pod = await TestNamespace.create()
      pods.set(containerId, pod)
      expect((await node.call('ADD', { containerId, netns: pod.path, args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u-web' })).exitCode).toBe(0)
    }
    await addSandbox('old')
    await lose('old')
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(known()).toEqual(['old'])
    await addSandbox('new')
    await eventually('what was left is released', () => known().join() === 'new')
    expect(await pods.get('new')!.echoes('172.30.1.11')).toBe(true)
  })

  test('a store that cannot be read is put aside and rebuilt from kernel and runtime cache; no address of a live pod is given again (fault 13)', async () => {
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
    await add('cached', { runtimeConfig: { portMappings } })
    await add('nameless')
    const before = new Map(node.addresses.attachments().map(({ hostIfname, ips }) => [hostIfname, ips.map(formatIp)]))
    await mkdir(join(node.folder, 'results'))
    await writeFile(join(node.folder, 'results', 'weft-cached-eth0'), JSON.stringify({
      kind: 'cniCacheV1', containerId: 'cached', ifName: 'eth0', netns: pods.get('cached')!.path, networkName: 'weft', config: Buffer.from(networkConfig()).toString('base64'),
      cniArgs: [['K8S_POD_NAMESPACE', 'default'], ['K8S_POD_NAME', 'cached'], ['K8S_POD_UID', 'u-cached']], capabilityArgs: { portMappings },
    }))
    await writeFile(join(node.folder, 'results', 'garbage'), '{')
    await node.stop()
    await writeFile(join(folder, 'attachments.db'), 'no database at all, but long enough to be looked at'.repeat(100))
    await node.start()
    expect((await readdir(folder)).filter((name) => name.includes('unusable'))).toHaveLength(1)
    expect(new Map(node.addresses.attachments().map(({ hostIfname, ips }) => [hostIfname, ips.map(formatIp)]))).toEqual(before)
    expect(node.addresses.find({ containerId: 'cached', ifname: 'eth0' })).toMatchObject({ namespace: 'default', name: 'cached', uid: 'u-cached' })
    expect(node.cni.dump()).toContain('hostport TCP ipv4:8080 -> cached/eth0')
    expect(hostLinks(node.namespace)).toHaveLength(2)
    for (const pod of pods.values()) expect(await pod.echoes('172.30.1.11')).toBe(true)
    const given = new Set([...before.values()].flat())
    await add('new')
    for (const ip of node.addresses.find({ containerId: 'new', ifname: 'eth0' })!.ips) expect(given.has(formatIp(ip))).toBe(false)
    // DEL knows it by its own name: the link goes at once, the addresses when nobody is seen any more.
    expect((await node.call('DEL', { containerId: 'nameless' })).exitCode).toBe(0)
    await eventually('its addresses are free', () => known().join() === 'cached,new')
  })

  async function status(): Promise<{ readonly code: number, readonly msg: string } | undefined> {
    const { stdout } = await node.call('STATUS', { containerId: 'x' })
    return stdout === '' ? undefined : JSON.parse(stdout) as { readonly code: number, readonly msg: string }
  }

  test('CNI-39 a full disk refuses ADD with code 11 and keeps nothing, STATUS says so until there is room, DEL still works (fault 12)', async () => {
    await add('before')
    // `dd` ends with an error when the disk is full: that is the point.
    expect(() => execFileSync('dd', ['if=/dev/zero', `of=${join(folder, 'filler')}`, 'bs=1k'], { stdio: 'ignore' })).toThrow('dd')
    let refused = 0
    for (let index = 0; index < 12; index += 1) {
      const pod = await TestNamespace.create()
      pods.set(`full-${index}`, pod)
      const { exitCode, stdout } = await node.call('ADD', { containerId: `full-${index}`, netns: pod.path })
      if (exitCode === 0) continue
      refused += 1
      expect(JSON.parse(stdout)).toMatchObject({ code: 11 })
      expect(known()).not.toContain(`full-${index}`)
      await eventually('nothing is left in the pod', () => pod.route.findLink('eth0') === undefined)
    }
    expect(refused).toBeGreaterThan(0)
    expect(await status()).toMatchObject({ code: 50, msg: expect.stringMatching(/^Cannot attach pods: attachments of pods cannot be kept: Cannot write store ".*": .*full; free space on that file system, or make it writable$/) as unknown })
    expect(node.cni.ready()).toMatchObject({ ready: false, waiting: [expect.stringContaining('attachments of pods cannot be kept') as unknown] })
    const attached = known()
    for (const containerId of attached) expect((await node.call('DEL', { containerId })).exitCode).toBe(0)
    await eventually('all links go', () => hostLinks(node.namespace).length === 0)
    await rm(join(folder, 'filler'))
    for (const pod of pods.values()) await pod[Symbol.asyncDispose]()
    pods.clear()
    await eventually('the store learns of it', () => known().length === 0)
    await expect.poll(status).toBeUndefined()
  })

  test('a read-only disk is told at the start, and a DEL that cannot be spooled is not answered with success (fault 12)', async () => {
    await add('before')
    await node.stop()
    // With its source named, mount(8) adds no options of its own: a uid that this namespace does not know would be refused.
    execFileSync('mount', ['-o', 'remount,ro', 'store', folder])
    await expect(node.start()).rejects.toMatchObject({ code: 'ERR_IPAM_STORE', retryable: true })
    expect(hostLinks(node.namespace)).toHaveLength(1)
    const readOnly = await mkdtemp(join(tmpdir(), 'weft-read-only-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'spool', readOnly])
    try {
      await rm(node.plugin.spoolPath, { recursive: true, force: true })
      await symlink(readOnly, node.plugin.spoolPath)
      const { exitCode, stdout } = await node.call('DEL', { containerId: 'before' })
      expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 11, msg: expect.stringContaining('Cannot spool DEL') as unknown }])
    } finally {
      execFileSync('umount', [readOnly])
      await rm(readOnly, { recursive: true })
    }
    // The disk comes back, and with it everything.
    execFileSync('mount', ['-o', 'remount,rw', 'store', folder])
    await rm(node.plugin.spoolPath)
    await node.start()
    expect(known()).toEqual(['before'])
    expect((await node.call('DEL', { containerId: 'before' })).exitCode).toBe(0)
    await eventually('it goes', () => known().length === 0)
  })
})
