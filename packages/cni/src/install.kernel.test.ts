import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { programs, runProgram } from '@weft/plugin/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNode, eventually, hostLinks, type NodeFixture } from '../test/node-fixture.ts'
import { conflistName, installNetwork, installPlugin, pluginName, uninstallCni } from './install.ts'

const reason = whyNoKernelTests()
const [[, program]] = await programs()

describe.skipIf(reason !== undefined)(skippable('installation', reason), () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-install-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('CNI-19 nobody sees half of a file, or none, while a version takes the place of another', async () => {
    const [binDir, confDir] = [join(folder, 'bin'), join(folder, 'net.d')]
    const place = async (version: number): Promise<void> => {
      await installPlugin({ binDir, socketPath: join(folder, `v${version % 2}.sock`), spoolPath: join(folder, `spool${version % 2}`), program })
      await installNetwork({ confDir, network: `net${version % 2}` })
    }
    await place(0)
    let replacing = true
    const seen = { calls: 0, networks: new Set<string>() }
    const looking = (async () => {
      while (replacing) {
        const { exitCode, stdout } = await runProgram([join(binDir, pluginName)], { CNI_COMMAND: 'VERSION' })
        expect([exitCode, JSON.parse(stdout)]).toMatchObject([0, { cniVersion: '1.1.0' }])
        const { name }: { readonly name: string } = JSON.parse(await readFile(join(confDir, conflistName), 'utf8'))
        seen.calls += 1
        seen.networks.add(name)
      }
    })()
    for (let version = 1; version <= 60; version += 1) await place(version)
    replacing = false
    await looking
    expect([seen.calls > 5, [...seen.networks].toSorted()]).toEqual([true, ['net0', 'net1']])
    // No temporary files stay.
    expect([await readdir(binDir), await readdir(confDir)]).toEqual([[pluginName, `${pluginName}.conf`], [conflistName]])
    await uninstallCni({ binDir, confDir })
    await uninstallCni({ binDir, confDir })
    expect([await readdir(binDir), await readdir(confDir)]).toEqual([[], []])
  })

  it('CNI-19 a file that cannot be placed leaves the old one and no half of the new one', async () => {
    const confDir = join(folder, 'net.d')
    await installNetwork({ confDir, network: 'old' })
    await expect(installPlugin({ binDir: confDir, socketPath: '/x', spoolPath: '/y', program: { kind: 'binary', path: join(folder, 'not-there') } })).rejects.toThrow('ENOENT')
    expect(await readdir(confDir)).toEqual([conflistName, `${pluginName}.conf`])
    expect(await readFile(join(confDir, conflistName), 'utf8')).toContain('"old"')
  })

  it('an ADD of the old version goes on while the new one is installed and in use (LIFE-16)', async () => {
    const node: NodeFixture = await createNode(program)
    await using first = await TestNamespace.create()
    await using second = await TestNamespace.create()
    try {
      await node.start()
      const { ino } = await stat(node.plugin.path)
      const covered = Promise.withResolvers<void>()
      node.hold = ({ name }) => name === 'old' ? covered.promise : Promise.resolve()
      const adding = node.call('ADD', { containerId: 'old', netns: first.path })
      await eventually('the old version waits', () => node.addresses.attachments().length === 1)
      await installPlugin({ binDir: join(node.folder, 'bin'), socketPath: node.plugin.socketPath, spoolPath: node.plugin.spoolPath, program })
      expect((await stat(node.plugin.path)).ino).not.toBe(ino)
      expect((await node.call('ADD', { containerId: 'new', netns: second.path })).exitCode).toBe(0)
      // A version of other settings must not lead the one under way astray.
      await writeFile(`${node.plugin.path}.conf`, 'socket=/nowhere\nspool=/nowhere\n')
      covered.resolve()
      expect((await adding).exitCode).toBe(0)
      expect(hostLinks(node.namespace)).toHaveLength(2)
    } finally {
      await node[Symbol.asyncDispose]()
    }
  })
})
