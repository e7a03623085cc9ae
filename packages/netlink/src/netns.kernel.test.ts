import { existsSync, fstatSync, mkdtempSync, promises, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAlreadyExists, isNotFound } from './errors.ts'
import { closeFd, createNetns, deleteNetns, inNetns, netnsOfSocket, openNetns, readSysctls, warmThreadPool, writeSysctls } from './netns.ts'
import { NetnsWorker } from './netns-worker.ts'
import { RouteSocket } from './route-socket.ts'
import { TestNamespace, whyNoKernelTests, trackDescriptors } from './testing/index.ts'

const own = (): string => readlinkSync('/proc/thread-self/ns/net')

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('network namespaces', missing), () => {
  let folder: string
  let leaks: () => string[]

  beforeEach(async () => {
    leaks = await trackDescriptors()
    folder = mkdtempSync(join(tmpdir(), 'netns-test-'))
  })

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
    // oxlint-disable-next-line vitest/no-standalone-expect -- the leak check belongs to every test
    expect(leaks()).toEqual([])
  })

  it('createNetns() pins a new namespace and deleteNetns() takes it away, twice', async () => {
    const path = join(folder, 'deep', 'net')
    await createNetns(path)
    {
      using route = await RouteSocket.open({ netns: path })
      expect(route.links()).toMatchObject([{ name: 'lo', up: false }])
      await expect(createNetns(path)).rejects.toSatisfy(isAlreadyExists)
    }
    await deleteNetns(path)
    expect(existsSync(path)).toBe(false)
    await deleteNetns(path)
  })

  it('deleteNetns() removes a file that pins nothing: what a killed creation leaves', async () => {
    writeFileSync(join(folder, 'half'), '')
    await deleteNetns(join(folder, 'half'))
    expect(existsSync(join(folder, 'half'))).toBe(false)
  })

  it('open() in a namespace that is not there says ENOENT; in a plain file, EINVAL', async () => {
    await expect(RouteSocket.open({ netns: join(folder, 'nobody') })).rejects.toSatisfy(isNotFound)
    writeFileSync(join(folder, 'plain'), '')
    await expect(RouteSocket.open({ netns: join(folder, 'plain') })).rejects.toMatchObject({ code: 'EINVAL' })
  })

  it('writeSysctls() writes in the namespace and nowhere else', async () => {
    await using ns = await TestNamespace.create()
    const before = await readSysctls(undefined, ['net.ipv4.ip_forward'])
    await writeSysctls(ns.path, { 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/lo/rp_filter': '2' })
    expect(await readSysctls(ns.path, ['net.ipv4.ip_forward', 'net.ipv4.conf.lo.rp_filter'])).toEqual({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.lo.rp_filter': '2' })
    expect(await readSysctls(undefined, ['net.ipv4.ip_forward'])).toEqual(before)
    await expect(writeSysctls(ns.path, { 'net.ipv4.no_such_thing': '1' })).rejects.toThrow('Cannot set sysctl "net.ipv4.no_such_thing"')
    await expect(writeSysctls(ns.path, { 'net.ipv4.ip_forward': 'maybe' })).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(writeSysctls(ns.path, { '../kernel/hostname': 'x' })).rejects.toThrow('Cannot parse sysctl name')
  })

  it('inNetns() calls a function there and the main thread and the thread pool stay', async () => {
    await warmThreadPool()
    await using ns = await TestNamespace.create()
    const home = own()
    const module = new URL('testing/read-netns.ts', import.meta.url)
    const there = await inNetns(ns.path, { module, name: 'readNetns', data: 'x' })
    expect(there).toEqual({ data: 'x', netns: nameOf(ns) })
    expect(own()).toBe(home)
    expect(await promises.readlink('/proc/thread-self/ns/net')).toBe(home)
    await expect(inNetns(ns.path, { module, name: 'fail' })).rejects.toThrow('as asked')
    await expect(inNetns(ns.path, { module, name: 'nothing' })).rejects.toThrow('it is not an exported function')
    expect(await inNetns('/proc/self/ns/net', { module, name: 'readNetns' })).toMatchObject({ netns: home })
  })

  it('netnsOfSocket() finds the pod of which only a socket is held', async () => {
    await using ns = await TestNamespace.create()
    using handle = netnsOfSocket(ns.route.socket.fd)
    expect(readlinkSync(`/proc/self/fd/${handle.fd}`)).toBe(nameOf(ns))
    using again = openNetns(ns.path)
    expect(fstatSync(again.fd).ino).toBe(statSync(ns.path).ino)
  })

  it('openScratch() gives sockets in a namespace that ends with them', async () => {
    await using worker = new NetnsWorker()
    const fds = await worker.openScratch(['route', 'netfilter'])
    using handle = netnsOfSocket(fds[0]!)
    expect(readlinkSync(`/proc/self/fd/${handle.fd}`)).not.toBe(own())
    for (const fd of fds) closeFd(fd)
  })

  it('jobs of one worker keep their order and survive the failure of others', async () => {
    const paths = Array.from({ length: 8 }, (_value, n) => join(folder, `net${n}`))
    await Promise.all([...paths.map(createNetns), expect(createNetns(paths[0]!)).rejects.toSatisfy(isAlreadyExists)])
    await Promise.all(paths.map(deleteNetns))
  })
})

/** As /proc spells it; a bind mount shows its path instead. */
function nameOf(ns: TestNamespace): string {
  return `net:[${statSync(ns.path).ino}]`
}
