import { once } from 'node:events'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'

const missing = whyNoKernelTests()
const main = fileURLToPath(new URL('main.ts', import.meta.url))

describe.skipIf(missing !== undefined)(skippable('agent', missing), () => {
  test('a SIGTERM that comes while it is put together ends it in order', { timeout: 60_000 }, async () => {
    await using ns = await TestNamespace.create()
    const folder = mkdtempSync(join(tmpdir(), 'agent-'))
    try {
      // Nobody listens at this address: an agent that went on would try for ever.
      const at = (name: string): string => join(folder, name)
      writeFileSync(at('kubeconfig'), JSON.stringify({ clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:9', 'insecure-skip-tls-verify': true } }], users: [{ name: 'u', user: {} }], contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x' }))
      const config = JSON.stringify({ nodeName: 'n1', adminSocket: at('admin.sock'), kube: { kubeconfig: at('kubeconfig') }, cni: { socketPath: at('cni.sock') }, ipam: { storePath: at('attachments.db') } })
      // The agent reads its configuration first, and from a pipe it waits for it: the signal is there before all else.
      execFileSync('mkfifo', [at('agent.yaml')])
      const agent = spawn('nsenter', [`--net=${ns.path}`, process.execPath, '--conditions=dev', main, '--config', at('agent.yaml')], { stdio: ['ignore', 'pipe', 'inherit'] })
      const closed = once(agent, 'close')
      let log = ''
      agent.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
      try {
        const pipe = await open(at('agent.yaml'), 'w')
        agent.kill('SIGTERM')
        while (!log.includes('stopping')) await realClock.sleep(5)
        // JSON is YAML.
        await pipe.writeFile(config)
        await pipe.close()
        const [code] = await Promise.race([closed, realClock.sleep(20_000).then(() => ['still running'])])
        expect([code, log.includes('stopped by an error')], log.slice(0, 2000)).toEqual([0, false])
      } finally {
        agent.kill('SIGKILL')
        await closed
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
