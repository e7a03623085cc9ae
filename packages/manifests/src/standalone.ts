import { stringify } from 'yaml'
import { type KubeObject, labelsOf, namespace } from './kube-object.ts'
import { policyHealthPort, proxyHealthPort } from './ports.ts'
import { rbacOf } from './rbac.ts'
import { apiServerPlaceholder, valuesSchema } from './values.ts'
import { fieldVariable, hostFolder, probe, unprivileged } from './workload.ts'

/** Programs that can be all there is of Weft in a cluster, beside the network of others. */
export type StandaloneProgram = 'proxy' | 'policy'

interface Standalone {
  readonly config: Readonly<Record<string, unknown>>
  /** Its own, for kube-proxy may have those of kube-proxy still. */
  readonly healthPort: number
  readonly memory: string
  /** Of V8. */
  readonly flags?: string
  readonly sysctls: boolean
}

const programs: Readonly<Record<StandaloneProgram, Standalone>> = {
  proxy: {
    // It cannot reach the API server through a Service that it serves itself.
    config: { kube: { servers: [apiServerPlaceholder] }, sysctlFolder: '/host/proc/sys' },
    healthPort: proxyHealthPort,
    memory: '120Mi',
    // Ten MB less; the rest it asks for itself.
    flags: '--max-semi-space-size=1',
    sysctls: true,
  },
  policy: {
    config: {},
    healthPort: policyHealthPort,
    memory: '110Mi',
    sysctls: false,
  },
}

/** Everything that one program needs on every node of a cluster, in the order it is applied. */
export function standaloneManifests(program: StandaloneProgram): readonly KubeObject[] {
  const name = `weft-${program}`
  const labels = labelsOf(program)
  const { config, healthPort } = programs[program]
  return [
    ...rbacOf(program),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data: { [`${program}.yaml`]: stringify({ ...config, health: `127.0.0.1:${healthPort}` }) } },
    daemonSet(program),
  ]
}

function daemonSet(program: StandaloneProgram): KubeObject {
  const name = `weft-${program}`
  const labels = labelsOf(program)
  const { healthPort: port, memory, flags, sysctls } = programs[program]
  const { repository, tag, pullPolicy } = valuesSchema.parse({}).image
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      // Two on one node would write one table; the kernel goes on meanwhile.
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 } },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          hostNetwork: true,
          dnsPolicy: 'Default',
          priorityClassName: 'system-node-critical',
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [{ operator: 'Exists' }],
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          containers: [{
            name: program,
            image: `${repository}:${tag}`,
            imagePullPolicy: pullPolicy,
            command: [name, '--config', `/etc/weft/${program}.yaml`],
            env: [fieldVariable('NODE_NAME', 'spec.nodeName'), ...flags === undefined ? [] : [{ name: 'NODE_OPTIONS', value: flags }]],
            resources: { requests: { cpu: '20m', memory } },
            securityContext: { ...unprivileged, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } },
            startupProbe: probe('/healthz', '127.0.0.1', { port, periodSeconds: 1, failureThreshold: 60 }),
            livenessProbe: probe('/healthz', '127.0.0.1', { port, periodSeconds: 10, failureThreshold: 6 }),
            readinessProbe: probe('/readyz', '127.0.0.1', { port, periodSeconds: 5, failureThreshold: 2 }),
            volumeMounts: [
              { name: 'config', mountPath: '/etc/weft', readOnly: true },
              { name: 'run', mountPath: '/run/weft' },
              ...sysctls ? [{ name: 'sysctls', mountPath: '/host/proc/sys/net' }] : [],
            ],
          }],
          volumes: [
            { name: 'config', configMap: { name } },
            { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            ...sysctls ? [hostFolder('sysctls', '/proc/sys/net', 'Directory')] : [],
          ],
        },
      },
    },
  }
}
