import { setTimeout as sleep } from 'node:timers/promises'
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
      const node = client.nodeName
      const family = cluster.families[0]!
      const before = await cluster.agentStatus(node)
      const from = placeOf(client)
      const load = async (host: string, port: number): Promise<LoadReport> => {
        const [report] = await context.ask.from(from, { kind: 'load', protocol: 'http', host, port, rate: 100, durationMs: 2000 })
        return JSON.parse(report!) as LoadReport
      }
      const killed = (async () => {
        await sleep(400, undefined, { signal })
        await killAgent(node)
      })()
      const [service, direct] = await Promise.all([load(clusterIpOf(services.web, family), 80), load(ipOf(webs.at(-1)!, family), ports.http), killed])
      for (const [what, report] of [['the Service', service], ['the far pod', direct]] as const)
        ensure(report.sent > 0 && report.answered === report.sent, `${report.sent - report.answered} of ${report.sent} requests to ${what} failed: ${report.firstFailure ?? ''}`)

      const start = performance.now()
      let after = before
      while (after.startedAt === before.startedAt || !after.ready) {
        ensure(performance.now() - start < restartMs, `the agent of ${node} was not ready again within ${restartMs / 1000} s`)
        await sleep(50, undefined, { signal })
        after = await cluster.agentStatus(node).catch(() => before)
      }
      const mostWrites = cluster.dnsBesideAgent === true ? dnsWrites : 0
      ensure(after.kernelWrites <= mostWrites, `the new agent wrote ${after.kernelWrites} kernel objects that were already there`)
      ensure(after.adopted > 0, 'the new agent found no attachment of the pods that run')
      return `${node}: ${service.answered + direct.answered} requests, 0 failed (slowest ${Math.max(service.longestMs, direct.longestMs).toFixed(0)} ms); the new one, ready after ${((performance.now() - start) / 1000).toFixed(1)} s, adopted ${after.adopted} attachments, ${after.kernelWrites} kernel writes${after.kernelWrites > 0 ? ' (endpoints of DNS, which left with its pod)' : ''}`
    },
  },
]
