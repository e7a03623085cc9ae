// An API server with the objects of its first argument; prints its address. It ends with its stdin.
import { FakeApiServer, type FakeObject } from '@weft/kube/testing'

const paths: Readonly<Record<string, string>> = {
  Pod: '/api/v1/pods', Namespace: '/api/v1/namespaces', Service: '/api/v1/services', EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices', NetworkPolicy: '/apis/networking.k8s.io/v1/networkpolicies', Node: '/api/v1/nodes',
}

const server = await FakeApiServer.start()
for (const object of JSON.parse(process.argv[2]!) as readonly (FakeObject & { readonly kind: string })[]) server.api.put(paths[object.kind]!, object)
process.stdout.write(server.url)
process.stdin.on('end', () => process.exit()).resume()
