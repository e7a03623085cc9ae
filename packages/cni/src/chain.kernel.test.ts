import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { parseMac } from '@weft/ip'
import { readSysctls } from '@weft/netlink'
import { whyNoPrograms, TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chainRuntimes, cnitool, debianPlugins, type NetworkList, whyNoCnitool } from '../test/chain.ts'
import { createNode, eventually, hostLinks, type NodeFixture } from '../test/node-fixture.ts'
import { programs } from '@weft/plugin/testing'
import { ask, serve } from '../test/talk.ts'
import { linkIdentity } from './link-name.ts'

const reason = whyNoKernelTests()
const [[, program]] = await programs()

const weft = { type: 'weft-cni', capabilities: { portMappings: true, bandwidth: true, ips: true, mac: true, dns: true } }
/** Debian's speak 1.0.0 at most. */
const chain = (...plugins: NetworkList['plugins']): NetworkList => ({ cniVersion: '1.0.0', name: 'weft', plugins })

interface Result {
  readonly interfaces: readonly { readonly name: string, readonly sandbox?: string, readonly mac?: string }[]
  readonly ips: readonly { readonly address: string, readonly interface: number }[]
}

function resultOf(stdout: string): Result {
  const result: Result = JSON.parse(stdout)
  return result
}

describe.skipIf(reason !== undefined)(skippable('a list of plugins', reason), () => {
  let node: NodeFixture
  let pod: TestNamespace

  beforeEach(async () => {
    node = await createNode(program)
    await node.start()
    pod = await TestNamespace.create()
  })
  afterEach(async () => {
    await pod[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  const allGone = (): Promise<void> => eventually('link and addresses go', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)

  describe.each(chainRuntimes)('under %s', (_name, start) => {
    const without = existsSync(debianPlugins) ? undefined : `No CNI plugins in ${debianPlugins}`
    const noPortmap = without ?? whyNoPrograms('iptables')

    it.skipIf(without !== undefined)(skippable('CNI-22, CNI-36, CNI-38 ours goes first, tuning and bandwidth follow with our result, and CHECK and DEL of all pass', without), async () => {
      const runtime = await start(node, chain(weft, { type: 'tuning', sysctl: { 'net.core.somaxconn': '500' }, dataDir: join(node.folder, 'tuning') }, { type: 'bandwidth', ingressRate: 80_000_000, ingressBurst: 8_000_000 }))
      const added = await runtime.add({ netns: pod.path })
      expect([added.exitCode, added.stderr]).toEqual([0, ''])
      const { hostIfname, podMac } = linkIdentity(runtime.containerIdOf(pod.path), 'eth0')
      const result = resultOf(added.stdout)
      expect(result).toMatchObject({ cniVersion: '1.0.0', interfaces: [{ name: hostIfname }, { name: 'eth0', mac: podMac, sandbox: pod.path }], ips: [{ address: '10.244.1.2/32', interface: 1 }, { address: 'fd00:10:244:1::2/128', interface: 1 }] })
      expect(await readSysctls(pod.path, ['net.core.somaxconn'])).toEqual({ 'net.core.somaxconn': '500' })
      expect(node.namespace.route.link(hostIfname).qdisc).toBe('tbf')
      expect(await pod.echoes('172.30.1.11')).toBe(true)
      expect(await runtime.check({ netns: pod.path })).toMatchObject({ exitCode: 0, stdout: '' })
      expect(await runtime.del({ netns: pod.path })).toMatchObject({ exitCode: 0, stdout: '' })
      await allGone()
    })

    it.skipIf(noPortmap !== undefined)(skippable('portmap and firewall of Debian work on our result, and leave with DEL', noPortmap), async () => {
      const runtime = await start(node, chain({ ...weft, capabilities: { bandwidth: true } }, { type: 'portmap', capabilities: { portMappings: true }, snat: true }, { type: 'firewall' }))
      const call = { netns: pod.path, capabilityArgs: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } }
      const added = await runtime.add(call)
      expect([added.exitCode, added.stderr]).toEqual([0, ''])
      expect(resultOf(added.stdout).ips.map(({ address }) => address)).toEqual(['10.244.1.2/32', 'fd00:10:244:1::2/128'])
      using _server = await serve(pod, 'tcp', 80, 'pod')
      expect(ask(node.namespace, 'tcp', '172.30.1.11', 8080)).toMatch(/^pod /)
      // No CHECK: Debian's portmap looks for its rule for IPv4 in the table of IPv6.
      expect(await runtime.del(call)).toMatchObject({ exitCode: 0, stdout: '' })
      await allGone()
      expect(node.namespace.exec('iptables', ['-t', 'nat', '-S'])).not.toContain('--dport 8080')
    })

    it.skipIf(without !== undefined)(skippable('CNI-22, CNI-24, CNI-33 ours goes after loopback: what came before stays first, and our addresses point to our interface', without), async () => {
      const runtime = await start(node, chain({ type: 'loopback' }, weft))
      const added = await runtime.add({ netns: pod.path })
      expect([added.exitCode, added.stderr]).toEqual([0, ''])
      const { interfaces, ips } = resultOf(added.stdout)
      const of = (name: string): readonly string[] => ips.filter((ip) => interfaces[ip.interface]!.name === name && interfaces[ip.interface]!.sandbox === pod.path).map(({ address }) => address)
      expect([interfaces[0]!.name, of('lo'), of('eth0')]).toEqual(['lo', ['127.0.0.1/8', '::1/128'], ['10.244.1.2/32', 'fd00:10:244:1::2/128']])
      expect(await runtime.check({ netns: pod.path })).toMatchObject({ exitCode: 0 })
      expect(await runtime.del({ netns: pod.path })).toMatchObject({ exitCode: 0 })
      await allGone()
    })

    it.skipIf(without !== undefined)(skippable('CNI-21 ours after another main plugin that has made the interface is refused, and undoes what it did', without), async () => {
      const runtime = await start(node, chain({ type: 'ptp', ipam: { type: 'host-local', subnet: '10.9.0.0/24', dataDir: join(node.folder, 'host-local') } }, weft))
      const added = await runtime.add({ netns: pod.path })
      expect([added.exitCode, `${added.stdout}${added.stderr}`]).toMatchObject([1, expect.stringContaining('the pod has an interface of that name')])
      await allGone()
      expect(await runtime.del({ netns: pod.path })).toMatchObject({ exitCode: 0 })
    })

    it('CNI-16, CNI-36 capabilities reach us as declared, DEL goes in reverse with the final result, and CHECK sees what a later plugin changed', async () => {
      const recorder = join(node.folder, 'bin', 'recorder')
      await writeFile(recorder, recorderProgram(node.folder), { mode: 0o755 })
      const runtime = await start(node, chain(weft, { type: 'recorder', capabilities: { portMappings: true, bandwidth: false } }))
      const capabilityArgs = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }], bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 }, aliases: ['web'] }
      const added = await runtime.add({ netns: pod.path, capabilityArgs })
      expect([added.exitCode, added.stderr]).toEqual([0, ''])
      const [link] = hostLinks(node.namespace)
      // Of all that the runtime had, ours was given what it declares: the port is served and the limit is there.
      expect(node.cni.dump()).toContain('hostport TCP ipv4:8080')
      expect(node.namespace.route.link(link!).qdisc).toBe('tbf')
      const given = recorded(node.folder, 'ADD')
      expect(given.config).toMatchObject({ cniVersion: '1.0.0', name: 'weft', type: 'recorder', runtimeConfig: { portMappings: [{ hostPort: 8080 }] }, prevResult: { interfaces: [{ name: link }, { name: 'eth0' }] } })
      expect(Object.keys(given.config.runtimeConfig)).toEqual(['portMappings'])
      expect((await runtime.check({ netns: pod.path, capabilityArgs })).exitCode).toBe(0)
      pod.route.setLink(pod.route.link('eth0').index, { mac: parseMac('02:00:00:00:00:99') })
      expect(await runtime.check({ netns: pod.path, capabilityArgs }).then(({ stdout, stderr }) => `${stdout}${stderr}`)).toContain('hardware address 02:00:00:00:00:99')
      expect((await runtime.del({ netns: pod.path, capabilityArgs })).exitCode).toBe(0)
      // The last of the list went first: our link was still there.
      expect(recorded(node.folder, 'DEL')).toMatchObject({ config: { prevResult: { dns: { domain: 'recorder.example' } } }, links: expect.arrayContaining([link]) as unknown })
      await allGone()
    })
  })

  it.skipIf(whyNoCnitool !== undefined)(skippable('CNI-39, CNI-40, CNI-43 libcni drives us: STATUS is answered, GC without a list releases nothing it has not released itself', whyNoCnitool), async () => {
    const runtime = await cnitool(node, { ...chain(weft), cniVersion: '1.1.0' })
    expect((await runtime.add({ netns: pod.path })).exitCode).toBe(0)
    const other = await TestNamespace.create()
    try {
      // Added by somebody who keeps no results: libcni does not know it.
      expect((await node.call('ADD', { containerId: 'unknown', netns: other.path })).exitCode).toBe(0)
      expect(await runtime.status()).toMatchObject({ exitCode: 0, stdout: '' })
      expect(await runtime.gc()).toMatchObject({ exitCode: 0, stdout: '' })
      await eventually('what libcni knew goes', () => hostLinks(node.namespace).length === 1)
      expect(node.cni.attachments().map(({ containerId }) => containerId)).toEqual(['unknown'])
      expect(await other.echoes('172.30.1.11')).toBe(true)
      node.addresses.setRanges([])
      const status = await runtime.status()
      expect([status.exitCode, status.stderr]).toEqual([1, expect.stringContaining('this node has no address range yet')])
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })
})

/** A plugin that writes down what it is given and which links the node has, and passes the result on with a word of its own. */
function recorderProgram(folder: string): string {
  return String.raw`#!/usr/bin/env node
const { readFileSync, writeFileSync } = require('node:fs')
const config = JSON.parse(readFileSync(0, 'utf8'))
const links = readFileSync('/proc/self/net/dev', 'utf8').split('\n').slice(2).map((line) => line.split(':', 1)[0].trim())
if (process.env.CNI_COMMAND === 'VERSION') process.stdout.write('{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}')
else writeFileSync(${JSON.stringify(folder)} + '/recorded-' + process.env.CNI_COMMAND, JSON.stringify({ config, links }))
if (process.env.CNI_COMMAND === 'ADD') process.stdout.write(JSON.stringify({ ...config.prevResult, dns: { domain: 'recorder.example' } }))
`
}

interface Recorded {
  readonly config: Readonly<Record<string, unknown>> & { readonly runtimeConfig: Readonly<Record<string, unknown>> }
  readonly links: readonly string[]
}

function recorded(folder: string, verb: string): Recorded {
  const written: Recorded = JSON.parse(readFileSync(join(folder, `recorded-${verb}`), 'utf8'))
  return written
}
