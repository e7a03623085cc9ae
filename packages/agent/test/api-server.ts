// Serves objects as an API server on this namespace's loopback and prints its address. Each line of standard input is a list `[collection, object]` to put,
// a `{match, status, reason}` to answer with from then on, or the path of a collection whose objects are to be printed.
import { createInterface } from 'node:readline'
import { FakeApiServer } from '@weft/kube/testing'

const server = await FakeApiServer.start()
process.stdout.write(`${server.url}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const asked: readonly [string, never] | { readonly match: string, readonly status: number, readonly reason: string } | string = JSON.parse(line)
  if (typeof asked === 'string') process.stdout.write(`${JSON.stringify(server.api.objects(asked))}\n`)
  else if ('match' in asked) server.fault({ ...asked, match: new RegExp(asked.match), times: Infinity })
  else server.api.put(asked[0], asked[1])
}
