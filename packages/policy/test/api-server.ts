// An API server with the objects of its first argument; prints its address. Each line of its stdin is an object more, or another version; with `gone` it is deleted. It ends with its stdin.
import { createInterface } from 'node:readline'
import { FakeApiServer, type FakeObject } from '@weft/kube/testing'

type Sent = FakeObject & { readonly kind: string, readonly gone?: boolean }

const paths: Readonly<Record<string, string>> = {
  Pod: '/api/v1/pods', Namespace: '/api/v1/namespaces', Service: '/api/v1/services', EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices', NetworkPolicy: '/apis/networking.k8s.io/v1/networkpolicies', Node: '/api/v1/nodes',
}

const server = await FakeApiServer.start()
for (const object of JSON.parse(process.argv[2]!) as readonly Sent[]) server.api.put(paths[object.kind]!, object)
process.stdout.write(server.url)
createInterface({ input: process.stdin }).on('line', (line) => {
  const { gone, ...object } = JSON.parse(line) as Sent
  const { namespace, name = '' } = object.metadata
  if (gone === true) server.api.remove(paths[object.kind]!, namespace === undefined ? name : `${namespace}/${name}`)
  else server.api.put(paths[object.kind]!, object)
}).on('close', () => process.exit())
