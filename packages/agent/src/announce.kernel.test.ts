import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('the network configuration', missing), () => {
  test('IPAM-17, CNI-19 is not there while the node has no podCIDR, and comes after everything else when it has', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agent-announce-'))
    const at = (name: string): string => join(folder, name)
    const children: ChildProcessByStdio<Writable, Readable, null>[] = []
    await using node = await TestNamespace.create()
    await using outside = await TestNamespace.create()
    TestNamespace.connect(node, { name: 'eth0', addresses: [{ address: parseIp('172.30.1.11'), prefix: 24 }] }, outside, { name: 'eth0' })
    const start = (file: string, args: readonly string[]): ChildProcessByStdio<Writable, Readable, null> => {
      const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '-C', 'dev', join(import.meta.dirname, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
      children.push(child)
      return child
    }
    try {
      const api = start('../test/api-server.ts', [])
      const [url] = await once(api.stdout, 'data') as [Buffer]
      const put = (spec: object): unknown => api.stdin.write(`${JSON.stringify(['/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec, status: { addresses: [{ type: 'InternalIP', address: '172.30.1.11' }] } }])}\n`)
      put({})
      for (const file of ['token', 'ca.crt']) writeFileSync(at(file), 'test')
      writeFileSync(at('agent.yaml'), JSON.stringify({
        nodeName: 'n1', adminSocket: at('admin.sock'), kube: { servers: [url.toString().trim()], credentialsFolder: folder, serversPath: at('servers.json') }, install: { binDir: at('bin'), confDir: at('net.d'), plugin: 'twin' },
        cni: { socketPath: at('cni.sock'), spoolPath: at('spool') }, ipam: { mode: 'node-cidr', storePath: at('attachments.db') },
      }))
      const agent = start('main.ts', ['--config', at('agent.yaml')])
      let log = ''
      agent.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
      // It has come as far as it can: it listens for nobody's pods yet, and the runtime finds neither plugin nor network.
      await expect.poll(() => existsSync(at('admin.sock')), { timeout: 20_000 }).toBe(true)
      await realClock.sleep(1500)
      expect([existsSync(at('net.d/05-weft.conflist')), existsSync(at('bin/weft-cni')), agent.exitCode], log.slice(-2000)).toEqual([false, false, null])
      put({ podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] })
      await expect.poll(() => existsSync(at('net.d/05-weft.conflist')), { timeout: 20_000 }).toBe(true)
      const times = ['bin/weft-cni.conf', 'bin/weft-cni', 'net.d/05-weft.conflist'].map((name) => statSync(at(name)).ctimeMs)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect([existsSync(at('cni.sock')), readFileSync(at('net.d/05-weft.conflist'), 'utf8').includes('"weft-cni"')]).toEqual([true, true])
    } finally {
      for (const child of children) {
        const closed = once(child, 'close')
        child.kill('SIGKILL')
        await closed
      }
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
