import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tables } from '@weft/api'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { diffTable, formatTable, NftSocket, table } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { dnsObjects, namespace, networkPolicy, nodeName, pod } from '../test/cluster.ts'
import { stateOf } from '../test/running.ts'

const reason = whyNoKernelTests()

async function get(socketPath: string, path: string): Promise<{ readonly status: number | undefined, readonly text: string }> {
  const [response] = await once(request({ socketPath, path }).end(), 'response') as [AsyncIterable<Buffer> & { readonly statusCode?: number }]
  let text = ''
  for await (const chunk of response) text += chunk.toString()
  return { status: response.statusCode, text }
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let turn = 0; turn < 200; turn += 1) {
    if (await holds()) return true
    await realClock.sleep(50)
  }
  return false
}

describe.skipIf(reason !== undefined)(skippable('main.ts', reason), () => {
  test('NP-5, NP-24: protects the pods of its node, mends what others edit, and leaves the kernel as it is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-policy-'))
    const children: ChildProcess[] = []
    await using node = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: node.path })
    const start = (file: string, args: readonly string[]): ChildProcess => {
      const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '-C', 'dev', join(import.meta.dirname, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
      children.push(child)
      return child
    }
    try {
      const objects = [
        namespace('x'), ...dnsObjects(), networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'] }), networkPolicy('x/bad', { ingress: [{ from: [{}] }] }),
        pod('x/a', { ips: ['10.244.1.2'] }), pod('x/host', { ips: ['172.30.1.11'], hostNetwork: true }), pod('x/far', { ips: ['10.244.2.2'], node: 'node-2' }),
      ]
      const [url] = await once(start('../test/api-server.ts', [JSON.stringify(objects)]).stdout!, 'data') as [Buffer]
      for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'test')
      const [config, socket] = [join(folder, 'policy.yaml'), join(folder, 'policy.sock')]
      writeFileSync(config, JSON.stringify({ nodeName, adminSocket: socket, unknownPods: 'open', kube: { servers: [url.toString()], credentialsFolder: folder } }))
      const program = start('main.ts', ['--config', config])
      program.stdout!.resume()
      expect(await eventually(async () => existsSync(socket) && (await get(socket, '/readyz')).status === 200)).toBe(true)
      // Of the policy with an empty peer only its rule is refused (P10), and there are no policies of the cluster at all.
      const want = stateOf(objects).table()
      expect((await get(socket, '/dump/policy')).text).toContain(formatTable(want))
      expect(diffTable(nft.read('inet', tables.policy), want).text).toBe('')
      const { text } = await get(socket, '/metrics')
      expect(text).toContain('weft_policy_isolated_pods 1')
      expect(text).toContain('weft_policy_refused_total{kind="NetworkPolicy"} 1')
      nft.commit(diffTable(nft.read('inet', tables.policy), table({ name: tables.policy })))
      expect(await eventually(() => diffTable(nft.read('inet', tables.policy), want).isEmpty)).toBe(true)
      program.kill('SIGTERM')
      expect((await once(program, 'exit'))[0]).toBe(0)
      expect(diffTable(nft.read('inet', tables.policy), want).text).toBe('')
    } finally {
      for (const child of children) child.kill()
      rmSync(folder, { recursive: true })
    }
  })
})
