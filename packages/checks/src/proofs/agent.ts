import { setTimeout as sleep } from 'node:timers/promises'
import { kernelFeatures } from '@weft/api'
import type { LoadReport } from '../ask.ts'
import { type Check, ensure, NotTried } from '../check.ts'
import { ports } from '../demo.ts'
import { clusterIpOf, ipOf, placeOf } from '../scene.ts'

/** Elements of two families for the endpoints of DNS, as they leave and as they come back. */
const dnsWrites = 100

/** A kubelet that has started an agent anew lately waits longer before it does again. */
const restartMs = 60_000

export const agentChecks: readonly Check[] = [
  {
    name: 'agent-killed-under-load',
    promise: 'an agent killed with SIGKILL under load: no request fails, the new one adopts and writes nothing',
    alone: true,
    prove: async (context) => {
      const { cluster, signal } = context
      const { killAgent } = cluster
      if (killAgent === undefined) throw new NotTried('nobody here may enter the nodes to kill a process')
      const { client, webs, services } = await context.scene()
      const node = client.nodeName!
      const before = await cluster.agentStatus(node)
      const from = placeOf(client)
      const load = async ({ host, port }: { readonly host: string, readonly port: number }): Promise<LoadReport> => {
        const [report] = await context.ask.from(from, { kind: 'load', protocol: 'http', host, port, rate: 100, durationMs: 2000 })
        return JSON.parse(report!) as LoadReport
      }
      const killed = (async () => {
        await sleep(400, undefined, { signal })
        await killAgent(node)
      })()
      const targets = cluster.families.flatMap((family) => [
        { what: 'the Service', host: clusterIpOf(services.web, family), port: 80 },
        { what: 'the far pod', host: ipOf(webs.at(-1)!, family), port: ports.http },
      ])
      const [reports] = await Promise.all([Promise.all(targets.map(load)), killed])
      for (const [index, { sent, answered, firstFailure }] of reports.entries()) {
        const { what, host } = targets[index]!
        ensure(sent > 0 && answered === sent, `${sent - answered} of ${sent} requests to ${what}, ${host}, failed: ${firstFailure ?? ''}`)
      }

      const start = performance.now()
      let after = before
      while (after.startedAt === before.startedAt || !after.ready) {
        ensure(performance.now() - start < restartMs, `the agent of ${node} was not ready again within ${restartMs / 1000} s`)
        await sleep(50, undefined, { signal })
        after = await cluster.agentStatus(node).catch(() => before)
      }
      const needless = kernelFeatures.filter((feature) => after.kernelWrites[feature] > (feature === 'proxy' && cluster.dnsBesideAgent === true ? dnsWrites : 0))
      ensure(needless.length === 0, `the new agent wrote kernel objects that were already there: ${needless.map((feature) => `${feature} ${after.kernelWrites[feature]}`).join(', ')}`)
      const writes = kernelFeatures.reduce((sum, feature) => sum + after.kernelWrites[feature], 0)
      ensure(after.adopted > 0, 'the new agent found no attachment of the pods that run')
      return `${node}: ${reports.reduce((total, { answered }) => total + answered, 0)} requests to ${targets.map(({ host }) => host).join(', ')}, 0 failed (slowest ${Math.max(...reports.map(({ longestMs }) => longestMs)).toFixed(0)} ms); the new one, ready after ${((performance.now() - start) / 1000).toFixed(1)} s, adopted ${after.adopted} attachments, ${writes} kernel writes${writes > 0 ? ' (endpoints of DNS, which left with its pod)' : ''}`
    },
  },
]
