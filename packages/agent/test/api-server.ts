// Serves objects as an API server on this namespace's loopback and prints its address. Each line of standard input is a list `[collection, object]`.
import { createInterface } from 'node:readline'
import { FakeApiServer } from '@weft/kube/testing'

const server = await FakeApiServer.start()
process.stdout.write(`${server.url}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const [collection, object]: readonly [string, never] = JSON.parse(line)
  server.api.put(collection, object)
}
