import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dnsPort } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { parseCidr, parseIp } from '@weft/ip'
import { RouteSocket } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { baseChain, NftSocket, table, Transaction } from '@weft/nftables'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Finding } from './finding.ts'
import { preflightNode } from './preflight-node.ts'

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('preflightNode()', reason), () => {
  let node: TestNamespace
  let route: RouteSocket
  let nft: NftSocket
  let root: string

  beforeEach(async () => {
    node = await TestNamespace.create()
    route = await RouteSocket.open({ netns: node.path })
    nft = await NftSocket.open({ netns: node.path })
    root = mkdtempSync(join(tmpdir(), 'weft-preflight-'))
    write('proc/net/udp', 'header\n')
    for (const name of ['udp6', 'tcp', 'tcp6']) write(`proc/net/${name}`, 'header\n')
    const uplink = route.addLink({ kind: 'bridge', name: 'eth0' })
    route.setLink(uplink.index, { up: true })
    route.addAddress({ ifIndex: uplink.index, address: parseIp('192.0.2.1'), prefix: 24 })
    route.addRoute({ destination: parseCidr('0.0.0.0/0'), via: parseIp('192.0.2.254'), ifIndex: uplink.index })
  })
  afterEach(async () => {
    nft[Symbol.dispose]()
    route[Symbol.dispose]()
    await node[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  })

  function write(path: string, content: string): void {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), content)
  }

  async function found(name: string): Promise<Finding> {
    return (await preflightNode({ route, nft, root, capabilities: [] })).find((each) => each.name === name)!
  }

  test('a plain machine is fine in every respect', async () => {
    const findings = await preflightNode({ route, nft, root })
    expect(findings.filter(({ level }) => level === 'fail')).toEqual([])
    expect(findings.map(({ name }) => name)).toEqual(['kernel', 'mtu', 'other-networks', 'kube-proxy', 'forward-drop', 'network-managers', 'ports', 'disk'])
  })

  test('a kernel without nf_tables is refused, with what is missing', async () => {
    const [kernel] = await preflightNode({ route, nft, root, capabilities: [{ name: 'nf_tables inet', since: '5.2', options: 'CONFIG_NF_TABLES_INET', present: false, without: '' }] })
    expect(kernel).toMatchObject({ level: 'fail', detail: 'the kernel has no nf_tables inet' })
  })

  test('LIFE-9 a host that drops what it forwards is refused', async () => {
    nft.commit(new Transaction(table({ family: 'ip', name: 'filter' })).addTable().addChain(baseChain('FORWARD', { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' }, [])))
    expect(await found('forward-drop')).toMatchObject({ level: 'fail', detail: 'table ip filter drops what is forwarded' })
  })

  test('another network is refused when the runtime would take it first, and told when not', async () => {
    write('etc/cni/net.d/10-other.conflist', '{}')
    expect(await found('other-networks')).toMatchObject({ level: 'warn' })
    write('etc/cni/net.d/00-first.conflist', '{}')
    expect(await found('other-networks')).toMatchObject({ level: 'fail', detail: expect.stringContaining('takes 00-first.conflist first') })
  })

  test('another network whose pods are there is refused: both would give out the same addresses', async () => {
    write('etc/cni/net.d/10-other.conflist', '{}')
    route.addLink({ kind: 'bridge', name: 'cni0' })
    expect(await found('other-networks')).toMatchObject({ level: 'fail', remedy: expect.stringContaining('/etc/cni/net.d/10-other.conflist') })
  })

  test('links of another network are told', async () => {
    route.addLink({ kind: 'bridge', name: 'flannel.1' })
    expect(await found('other-networks')).toMatchObject({ level: 'warn', detail: 'links of flannel are there' })
  })

  test('systemd-networkd and NetworkManager are told, with the setting that stops them, until it is there', async () => {
    write('run/systemd/netif/state', '')
    write('run/NetworkManager/x', '')
    expect(await found('network-managers')).toMatchObject({ level: 'warn', remedy: expect.stringMatching(/ManageForeignRoutes=no.*unmanaged-devices/s) })
    write('etc/systemd/networkd.conf', '[Network]\nManageForeignRoutes=no\n')
    write('etc/NetworkManager/conf.d/weft.conf', '[keyfile]\nunmanaged-devices=interface-name:weft*;interface-name:vxlan.weft\n')
    expect(await found('network-managers')).toMatchObject({ level: 'ok' })
  })

  test('a port that is taken is refused', async () => {
    write('proc/net/udp', `header\n 0: 00000000:${dnsPort.toString(16).toUpperCase()} 00000000:0000 07 0\n`)
    expect(await found('ports')).toMatchObject({ level: 'fail', detail: `udp port ${dnsPort} is in use` })
  })

  test('a disk that cannot be written is refused, and one that is full', async () => {
    const folder = join(root, 'var/lib')
    mkdirSync(folder, { recursive: true })
    const mount = (...options: readonly string[]): unknown => execFileSync('mount', ['-t', 'tmpfs', '-o', options.join(), 'disk', folder])
    for (const [options, detail] of [[['size=1m'], '1 MiB free in /var/lib'], [['size=128m', 'ro'], '/var/lib is on a file system that cannot be written']] as const) {
      mount(...options)
      try {
        expect(await found('disk')).toMatchObject({ level: 'fail', detail, remedy: expect.stringContaining('attachments of pods are kept there') as unknown })
      } finally {
        execFileSync('umount', [folder])
      }
    }
    mount('size=128m')
    expect(await found('disk')).toMatchObject({ level: 'ok' })
    execFileSync('umount', [folder])
  })

  test('the file system that counts is that of the folder where attachments are kept', async () => {
    const folder = join(root, 'var/lib/cni/weft')
    mkdirSync(folder, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'disk', folder])
    try {
      expect(await found('disk')).toMatchObject({ level: 'fail', detail: '1 MiB free in /var/lib/cni/weft' })
    } finally {
      execFileSync('umount', [folder])
    }
  })

  test('an uplink too small for IPv6 in the tunnel is told', async () => {
    route.setLink(route.link('eth0').index, { mtu: 1300 })
    expect(await found('mtu')).toMatchObject({ level: 'warn', detail: 'eth0 carries 1300 bytes' })
  })
})
