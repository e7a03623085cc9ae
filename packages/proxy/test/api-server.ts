// Serves objects as an API server on this namespace's loopback and prints its address. Argument: JSON list of objects.
import { FakeApiServer } from '@weft/kube/testing'

const collections: Readonly<Record<string, string>> = { Node: '/api/v1/nodes', Service: '/api/v1/services', EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices', ServiceCIDR: '/apis/networking.k8s.io/v1/servicecidrs' }

const server = await FakeApiServer.start()
for (const object of JSON.parse(process.argv[2]!) as readonly { readonly kind: string }[]) server.api.put(collections[object.kind]!, object as never)
process.stdout.write(`${server.url}\n`)
