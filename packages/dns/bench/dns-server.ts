// A process of its own for `dns.bench.ts`: our server with as many services as the first argument says.
import { toEndpointSlice, toNamespace, toService } from '@weft/api'
import { createRegistry, loadConfig, realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { storeOf } from '@weft/kube/testing'
import { dnsConfigSchema } from '../src/config.ts'
import { createDns } from '../src/dns.ts'
import { namespace, service, slice } from '../test/cluster.ts'
import { addressOf, serviceNames } from './workload.ts'

const count = Number(process.argv[2])
const names = serviceNames(count)
const stores = {
  services: storeOf(names.map(({ key }, index) => toService(service(key, { clusterIP: addressOf(index), clusterIPs: [addressOf(index)], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] })))),
  endpointSlices: storeOf(names.map(({ key }, index) => toEndpointSlice(slice(key, { ports: [{ name: 'http', port: 8080 }], endpoints: [{ ip: `10.244.${index >> 8 & 255}.${index & 255}` }] })))),
  namespaces: storeOf([...new Set(names.map(({ key }) => key.split('/')[0]!))].map((name) => toNamespace(namespace(name)))),
}
const config = loadConfig(dnsConfigSchema, { listen: ['127.0.0.1:0'], lameduck: '0s', forward: { resolvConf: '' }, workers: Number(process.argv[3] ?? 1) }, { source: 'bench' })
const dns = createDns({ config, stores, clock: realClock, logger: silentLogger, registry: createRegistry() })
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const running = dns.run(stop.signal)
const [address] = await dns.whenListening()
await dns.settled()
process.stdout.write(`${address!.port}\n`)
await running
process.exit()
