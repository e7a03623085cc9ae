/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
// Start, writes, a list of 10,000 objects and the way of a change to a watcher, all over HTTPS.
// node -C dev bench/apiserver.bench.ts
import { median, percentile, type BenchCase } from '@weft/daemon/bench'
import type { KubeObject } from '../src/apiserver/json.ts'
import { CONFIG_MAPS, configMap, makeDefaultNamespace, startServer } from '../src/apiserver/testing/start-server.ts'

const objects = 10_000
const changes = 300

/** The bench. */
export async function cases(): Promise<readonly BenchCase[]> {
  const begin = performance.now()
  await using started = await startServer()
  const start = performance.now() - begin
  const { client, server } = started
  await makeDefaultNamespace(client)
  const pad = 'x'.repeat(1500)

  const inProcess = performance.now()
  for (let index = 0; index < objects; index++) await server.client.request('POST', CONFIG_MAPS, { body: configMap(`m${index}`, { pad }) })
  const writeUs = ((performance.now() - inProcess) * 1000) / objects

  const overHttp = performance.now()
  for (let index = 0; index < changes; index++) await client.request('PUT', `${CONFIG_MAPS}/m${index}`, { body: configMap(`m${index}`, { pad, index: String(index) }) })
  const httpUs = ((performance.now() - overHttp) * 1000) / changes

  const lists: number[] = []
  for (let round = 0; round < 5; round++) {
    const before = performance.now()
    await client.request('GET', CONFIG_MAPS)
    lists.push(performance.now() - before)
  }

  const sent = new Map<string, number>()
  const delays: number[] = []
  const watching = (async () => {
    for await (const { object } of client.watch(CONFIG_MAPS, { resourceVersion: (await client.request<KubeObject>('GET', CONFIG_MAPS, { query: { limit: 1 } })).metadata.resourceVersion })) {
      delays.push(performance.now() - sent.get((object as KubeObject).metadata.name)!)
      if (delays.length === changes) return
    }
  })()
  await new Promise(resolve => setTimeout(resolve, 50))
  for (let index = 0; index < changes; index++) {
    sent.set(`m${index}`, performance.now())
    await server.client.request('PUT', `${CONFIG_MAPS}/m${index}`, { body: configMap(`m${index}`, { changed: String(index) }) })
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await watching
  const line = (name: string, size: string, unit: string, ours: number, most: number): BenchCase => ({ name, size, unit, ours, peer: undefined, peer_name: 'none: kube-apiserver needs etcd and root', ratio: undefined, goal: `<= ${most} ${unit}`, ok: ours <= most })
  return [
    line('apiserver start, keys included', 'empty state', 'ms', start, 150),
    line('apiserver create in process', `${objects} objects of 2 kB`, 'us', writeUs, 500),
    line('apiserver update over HTTPS', `${changes} updates`, 'us', httpUs, 3000),
    line('apiserver list over HTTPS', `${objects} objects of 2 kB`, 'ms', median(lists), 500),
    line('apiserver change to watcher over HTTPS, median', `${changes} changes`, 'ms', median(delays), 5),
    line('apiserver change to watcher over HTTPS, 99 %', `${changes} changes`, 'ms', percentile(delays, 99), 20),
  ]
}

if (import.meta.main) for (const { name, size, ours, unit } of await cases()) console.log(`${name} (${size}): ${ours.toFixed(2)} ${unit}`)
