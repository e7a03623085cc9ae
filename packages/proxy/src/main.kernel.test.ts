import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tables } from '@weft/api'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { baseChain, dnat, eq, ip, rule, table, tcp, Transaction } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'

const reason = whyNoKernelTests()

async function get(socketPath: string, path: string, body?: object): Promise<{ readonly status: number | undefined, readonly text: string }> {
  const [response] = await once(request({ socketPath, path, ...(body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' } }) }).end(body === undefined ? undefined : JSON.stringify(body)), 'response') as [AsyncIterable<Buffer> & { readonly statusCode?: number }]
  let text = ''
  for await (const chunk of response) text += chunk.toString()
  return { status: response.statusCode, text }
}

describe.skipIf(reason !== undefined)(skippable('main.ts', reason), () => {
  test('SVC-29, SVC-50, LIFE-11 follows a cluster, takes over from kube-proxy, serves, explains and dumps, and leaves the kernel as it is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-proxy-'))
    await using lab = await Lab.create()
    try {
      const objects = [
        node('here'), service('shop/web', ['10.96.0.1']), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }]),
        service('aaa/thief', ['10.96.0.66'], { externalIPs: ['192.0.2.1'] }),
        { kind: 'ServiceCIDR', metadata: { name: 'kubernetes', uid: 'cidr' }, spec: { cidrs: ['10.96.0.0/16'] } },
      ]
      await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080'])
      const [url] = await once(lab.spawn('node', 'api-server.ts', [JSON.stringify(objects)]).stdout!, 'data') as [Buffer]
      for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'test')
      const [config, socket] = [join(folder, 'proxy.yaml'), join(folder, 'proxy.sock')]
      writeFileSync(config, JSON.stringify({ nodeName: 'here', adminSocket: socket, health: '127.0.0.1', kube: { servers: [url.toString().trim()], credentialsFolder: folder }, proxy: { healthz: { address: '127.0.0.1' } } }))
      // What kube-proxy left: it sends clients to a pod that is gone.
      const left = table({ family: 'ip', name: 'kube-proxy', chains: [baseChain('nat-prerouting', { type: 'nat', hook: 'prerouting', priority: -110 }, [rule(eq(ip.daddr, '10.96.0.1'), eq(tcp.dport, 80), dnat({ family: 'ip', to: '10.244.9.9', port: 8080 }))])] })
      lab.nft.commit(new Transaction(left).addAll(left))
      const child = lab.spawn('node', '../src/main.ts', ['--config', config])
      let log = ''
      child.stdout!.on('data', (chunk: Buffer) => { log += chunk.toString() })
      for (let turn = 0; turn < 200 && !(existsSync(socket) && (await get(socket, '/readyz')).status === 200); turn += 1) await realClock.sleep(50)
      expect((await get(socket, '/takeover/proxy')).text).toBe('kube-proxy left here:\n  table ip kube-proxy\n')
      expect((await get(socket, '/takeover/proxy', {})).text).toBe('removed:\n  table ip kube-proxy\n')
      expect(lab.ask('client', { protocol: 'tcp', host: '10.96.0.1', port: 80 })).toEqual(['b1 10.244.0.9'])
      expect(lab.node.exec(process.execPath, ['-e', "fetch('http://127.0.0.1:10256/healthz').then(async (r) => console.log(r.status, await r.text()))"])).toMatch(/^200 \{"lastUpdated":".*"nodeEligible":true\}/)
      expect(lab.node.exec(process.execPath, ['-e', "fetch('http://127.0.0.1:9157/readyz').then((r) => console.log(r.status))"])).toBe('200\n')
      expect(lab.node.exec(process.execPath, ['-e', "fetch('http://127.0.0.1:10249/proxyMode').then(async (r) => console.log(await r.text()))"])).toBe('nftables\n')
      expect((await get(socket, '/dump/proxy')).text).toContain('10.244.0.5 . 8080')
      expect((await get(socket, '/explain/proxy?to=10.96.0.1:80&from=10.244.0.9')).text).toMatch(/model: {2}sent to 10\.244\.0\.5:8080, source kept\nkernel: sent to 10\.244\.0\.5:8080, source kept\n/)
      expect((await get(socket, '/metrics')).text).toContain('weft_proxy_services 2')
      expect(log).toContain('Cannot serve Service \\"aaa/thief\\" on \\"192.0.2.1\\"')
      for (let turn = 0; turn < 100 && !lab.nft.read('inet', tables.proxy)!.table.sets.some(({ name, elements }) => name === 'range4' && elements.length === 1); turn += 1) await realClock.sleep(50)
      expect(lab.nft.read('inet', tables.proxy)!.table.sets.find(({ name }) => name === 'range4')!.elements).toHaveLength(1)
      child.kill('SIGTERM')
      expect((await once(child, 'exit'))[0]).toBe(0)
      expect(lab.ask('client', { protocol: 'tcp', host: '10.96.0.1', port: 80 })).toEqual(['b1 10.244.0.9'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
