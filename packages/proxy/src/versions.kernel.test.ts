import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { tables } from '@weft/api'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { diffTable } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import type { SteadyReport } from '../test/steady.ts'
import { layout } from './table.ts'

const reason = whyNoKernelTests()
const noNft = reason ?? whyNoPrograms('nft')
const layouts = join(import.meta.dirname, '../test/layouts')
/** The program of another version: a bundle, or `packages/proxy/src/main.ts` of a checkout. Ours in its place shows the same of a restart. */
const other = process.env['WEFT_OTHER']
const turns = Number(process.env['WEFT_TURNS'] ?? 5)

const ports = [{ name: 't', port: 8080 }, { name: 'u', port: 5353, protocol: 'UDP' }]
/** What test/layouts was made of, each by the proxy that had that layout. */
const objects = [
  node('here'), node('there', { ips: ['172.30.1.12'], podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] }),
  service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], { type: 'NodePort', ports: [{ name: 't', port: 80, nodePort: 30_080 }, { name: 'u', port: 53, protocol: 'UDP', nodePort: 30_081 }] }),
  slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }, { ip: '10.244.1.7', node: 'there' }], { ports }),
  slice('shop/web', [{ ip: 'fd00:10:244::5', node: 'here' }, { ip: 'fd00:10:244:1::7', node: 'there' }], { ports, suffix: '6' }),
]
const config = { serviceCidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] }

/** A lab whose pods send back what they are sent. */
async function busyLab(): Promise<Lab> {
  const lab = await Lab.create()
  const at = (...addresses: readonly string[]): readonly string[] => addresses.flatMap((address) => [`tcp|${address}|8080`, `udp|${address}|5353`])
  for (const [pod, addresses] of [['b1', ['10.244.0.5', 'fd00:10:244::5']], ['b2', ['10.244.1.7', 'fd00:10:244:1::7']]] as const) await once(lab.spawn(pod, 'steady-server.ts', at(...addresses)).stdout!, 'data')
  return lab
}

/** Cluster IPs from a pod, NodePorts from outside, by both families, while work is done. */
async function during(lab: Lab, work: () => Promise<void>): Promise<readonly SteadyReport[]> {
  const targets = {
    client: ['10.96.0.1', 'fd00:10:96::1'].map((host) => ({ host, tcp: 80, udp: 53 })),
    outside: ['172.30.1.11', 'fd00:172:30:1::11'].map((host) => ({ host, tcp: 30_080, udp: 30_081 })),
  }
  const children = (['client', 'outside'] as const).map((from) => lab.spawn(from, 'steady.ts', [JSON.stringify(targets[from])], { input: true }))
  const reports = children.map((child) => text(child.stdout!))
  // They have begun.
  await expect.poll(() => lab.flows.entries({ protocol: 6 }).length, { timeout: 20_000 }).toBeGreaterThan(40)
  await work()
  for (const child of children) child.stdin!.end()
  return (await Promise.all(reports)).map((report) => JSON.parse(report) as SteadyReport)
}

function expectNothingLost(reports: readonly SteadyReport[]): void {
  for (const report of reports) {
    expect([report.failure, report.failed, report.broken]).toEqual([undefined, 0, 0])
    expect(Math.min(report.opened, report.rounds)).toBeGreaterThan(50)
  }
}

describe.skipIf(noNft !== undefined)(skippable('a proxy in place of one of another version', noNft), () => {
  for (const file of readdirSync(layouts)) {
    test(`fault 5, SVC-50, V18: ours takes over from test/layouts/${file}, ${turns} times under load: no connection fails, old or new`, async ({ annotate }) => {
      const old = readFileSync(join(layouts, file), 'utf8')
      const fake = new FakeNft()
      await using _wanted = await running(objects, { nft: fake, config })
      await using lab = await busyLab()
      const reports: SteadyReport[] = []
      for (let turn = 0; turn < turns; turn += 1) {
        // A whole table in place of another is for the test alone, and without load: a packet may pass where one ends and the other begins.
        lab.node.exec('nft', ['-f', '-'], `${turn === 0 ? '' : `delete table inet ${tables.proxy}\n`}${old}`)
        lab.flows.flush()
        reports.push(...await during(lab, async () => {
          await realClock.sleep(300)
          await using run = await running(objects, { nft: lab.nft, flows: lab.flows, config })
          expect([run.proxy.writes > 0, diffTable(lab.nft.read('inet', tables.proxy), fake.table('inet', tables.proxy)!).text]).toEqual([true, ''])
          if (!old.includes(`elements = { ${layout} }`)) expect(run.lines).toContainEqual(expect.objectContaining({ message: 'table has another layout' }))
          await realClock.sleep(300)
        }))
      }
      await annotate(JSON.stringify(reports))
      expectNothingLost(reports)
    }, 60_000 + turns * 10_000)
  }
})

describe.skipIf(reason !== undefined)(skippable('a program that is killed and replaced', reason), () => {
  test(`fault 5, SVC-50, LIFE-3: by ${other ?? 'itself'} and back, ${turns} times under load: no connection fails, old or new`, async ({ annotate }) => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-proxy-'))
    await using lab = await busyLab()
    try {
      const [url] = await once(lab.spawn('node', 'api-server.ts', [JSON.stringify([...objects, { kind: 'ServiceCIDR', metadata: { name: 'kubernetes', uid: 'cidr' }, spec: { cidrs: config.serviceCidrs } }])]).stdout!, 'data') as [Buffer]
      for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'test')
      let starts = 0
      const start = async (program: string): Promise<() => Promise<void>> => {
        starts += 1
        const [file, socket] = [join(folder, `${starts}.yaml`), join(folder, `${starts}.sock`)]
        writeFileSync(file, JSON.stringify({ nodeName: 'here', logLevel: 'warn', adminSocket: socket, kube: { servers: [url.toString().trim()], credentialsFolder: folder }, proxy: { healthz: { address: '127.0.0.1' }, conntrack: 'leave' } }))
        const child = lab.spawn('node', program, ['--config', file])
        await expect.poll(() => isReady(socket), { timeout: 30_000, interval: 50 }).toBe(true)
        return async () => {
          child.kill('SIGKILL')
          await once(child, 'exit')
        }
      }
      let stop = await start(ours)
      const reports = await during(lab, async () => {
        for (const program of Array.from({ length: turns }, () => [other ?? ours, ours]).flat()) {
          await stop()
          stop = await start(program)
          await realClock.sleep(200)
        }
      })
      await stop()
      await annotate(JSON.stringify(reports))
      expectNothingLost(reports)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 90_000 + turns * 60_000)
})

const ours = join(import.meta.dirname, 'main.ts')

async function isReady(socketPath: string): Promise<boolean> {
  try {
    const [response] = await once(request({ socketPath, path: '/readyz' }).end(), 'response') as [{ readonly statusCode?: number, resume(): void }]
    response.resume()
    return response.statusCode === 200
  } catch {
    return false
  }
}
