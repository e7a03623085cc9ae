// What it costs to trim the objects of a large cluster at start: our readers against a zod schema of the same fields.
import { type BenchCase, interleave } from '@weft/daemon/bench'
import { parseIp } from '@weft/ip'
import { z } from 'zod'
import { toService } from '../src/service.ts'

const address = (at: number): string => `10.96.${at >> 8}.${at & 0xff}`
const services = Array.from({ length: 10_000 }, (_, at) => ({
  apiVersion: 'v1', kind: 'Service',
  metadata: { name: `service-${at}`, namespace: `ns-${at % 50}`, uid: `uid-${at}`, resourceVersion: String(at), labels: { app: `app-${at}`, tier: 'web' }, annotations: { note: 'x'.repeat(200) } },
  spec: {
    type: 'ClusterIP', clusterIP: address(at), clusterIPs: [address(at), `fd00:10:96::${at.toString(16)}`], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack', sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster', selector: { app: `app-${at}` }, ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }, { name: 'metrics', protocol: 'TCP', port: 9090, targetPort: 'metrics' }],
  },
  status: { loadBalancer: {} },
}))

const schema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string(), resourceVersion: z.string(), labels: z.record(z.string(), z.string()).optional() }),
  spec: z.object({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']), clusterIPs: z.array(z.string().transform(parseIp)), ipFamilies: z.array(z.enum(['IPv4', 'IPv6'])),
    ports: z.array(z.object({ name: z.string().optional(), protocol: z.enum(['TCP', 'UDP', 'SCTP']), port: z.int().min(1).max(65535), nodePort: z.int().optional() })),
    sessionAffinity: z.string().optional(), internalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(), externalIPs: z.array(z.string().transform(parseIp)).optional(),
    clusterIP: z.string().optional(), externalName: z.string().optional(), externalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(), healthCheckNodePort: z.int().optional(),
    loadBalancerSourceRanges: z.array(z.string()).optional(), publishNotReadyAddresses: z.boolean().optional(),
  }),
  status: z.object({ loadBalancer: z.object({ ingress: z.array(z.object({ ip: z.string().transform(parseIp).optional(), ipMode: z.string().optional() })).optional() }).optional() }).optional(),
})

function milliseconds(trim: (object: unknown) => unknown): number {
  const start = performance.now()
  for (const service of services) trim(service)
  return performance.now() - start
}

/** Trimming ten thousand Services. */
export async function cases(): Promise<readonly BenchCase[]> {
  const { ours, peer } = await interleave({ rounds: 5, ours: () => milliseconds(toService), peer: () => milliseconds((object) => schema.parse(object)) })
  const ratio = ours / peer
  return [{ name: 'trim Services', size: '10000 services', unit: 'ms', ours, peer, peer_name: 'zod schema of the same fields', ratio, goal: 'ratio <= 1.2', ok: ratio <= 1.2 }]
}

if (import.meta.main) console.table(await cases())
