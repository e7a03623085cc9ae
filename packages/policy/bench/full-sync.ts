// A node's first sync in a process of its own: prints what it cost, as JSON. Run by cluster.bench.ts.
import { toNamespace } from '@weft/api'
import { TestNamespace } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { namespace as namespaceObject, nodeName, storesOf } from '../test/cluster.ts'
import { runPolicy } from '../test/running.ts'
import { podOf, policyOf } from './cluster-shape.ts'

const [pods, policies, namespaces] = [10_000, 2000, 50]

await using namespace = await TestNamespace.create()
using nft = await NftSocket.open({ netns: namespace.path })
// Node reads the source here, which takes memory that a built program does not: what counts is what the cluster adds.
const bareKb = process.resourceUsage().maxRSS
const stores = storesOf()
for (let index = 0; index < namespaces; index += 1) stores.namespaces.put(toNamespace(namespaceObject(`n${index}`)))
for (let index = 0; index < pods; index += 1) stores.pods.put(podOf(index, namespaces))
for (let index = 0; index < policies; index += 1) stores.policies.put(policyOf(index, namespaces))
const before = process.cpuUsage()
await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
await running.settled()
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify({ cpuMs: (user + system) / 1000, addedMb: (process.resourceUsage().maxRSS - bareKb) / 1024, policies, written: running.policy.writes }))
