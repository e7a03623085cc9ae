import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeApiServer } from '@weft/kube/testing'
import { expect, test } from 'vitest'
import { namespace, service, slice } from '../test/cluster.ts'
import { freePort } from '../test/free-port.ts'
import { askUdp, question } from '../test/running.ts'
import { show } from '../test/show.ts'
import { readMessage, writeMessage } from './wire/message.ts'

async function get(socketPath: string, path: string): Promise<{ readonly status: number, readonly text: string }> {
  return await new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = ''
      response.on('data', (chunk) => text += String(chunk))
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    }).on('error', reject).end()
  })
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (await condition().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('Cannot wait any longer: 10 s are over')
}

async function ended(child: ChildProcess): Promise<number | null> {
  return await new Promise((resolve) => child.once('exit', resolve))
}

test('main.ts answers for a cluster it follows, dumps its zone, and leaves with code 0', { timeout: 30_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-dns-'))
  await using server = await FakeApiServer.start()
  for (const name of ['default', 'shop']) server.api.put('/api/v1/namespaces', namespace(name) as never)
  server.api.put('/api/v1/services', service('shop/web', { clusterIP: 'None', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }) as never)
  server.api.put('/apis/discovery.k8s.io/v1/endpointslices', slice('shop/web', { ports: [{ name: 'http', port: 80 }], endpoints: [{ ip: '10.244.0.5' }] }) as never)
  const port = await freePort()
  const [config, adminSocket] = ['dns.yaml', 'admin.sock'].map((file) => join(folder, file)) as [string, string]
  for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'test')
  writeFileSync(config, `adminSocket: ${adminSocket}\nkube: { servers: ['${server.url}'], credentialsFolder: ${folder} }\ndns:\n  listen: ['127.0.0.1:${port}']\n  lameduck: 0s\n  forward: { resolvConf: '' }\n`)
  const child = spawn(process.execPath, ['-C', 'dev', join(import.meta.dirname, 'main.ts'), '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output += String(chunk))
  try {
    await eventually(async () => existsSync(adminSocket) && (await get(adminSocket, '/readyz')).status === 200).catch((error: unknown) => {
      throw new Error(output, { cause: error })
    })
    const ask = async (): Promise<readonly string[]> => show(readMessage(await askUdp(port, writeMessage(question('web.shop.svc.cluster.local', 'A'))))).answers
    expect(await ask()).toEqual(['web.shop.svc.cluster.local. A 10.244.0.5'])
    expect((await get(adminSocket, '/dump/zone')).text).toContain('10-244-0-5.web.shop.svc.cluster.local.\t5\tIN\tA\t10.244.0.5\n')
    expect((await get(adminSocket, '/metrics')).text).toContain('weft_dns_queries_total{zone="cluster",type="A"} 1')
    server.api.put('/apis/discovery.k8s.io/v1/endpointslices', slice('shop/web', { ports: [{ name: 'http', port: 80 }], endpoints: [{ ip: '10.244.0.6' }] }) as never)
    await eventually(async () => (await ask())[0] === 'web.shop.svc.cluster.local. A 10.244.0.6')
    // P6: the API server goes away, answers stay.
    await server[Symbol.asyncDispose]()
    expect(await ask()).toHaveLength(1)
    expect((await get(adminSocket, '/readyz')).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended(child)).toBe(0)
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})
