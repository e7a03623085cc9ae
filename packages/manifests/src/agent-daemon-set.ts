import { dnsPort } from '@weft/api'
import { type KubeObject, labelsOf, namespace } from './kube-object.ts'
import { agentHealthPort, dnsHealthPort } from './ports.ts'
import type { Rendering } from './rendering.ts'
import { fieldVariable, hostFolder, nonroot, probe, unprivileged } from './workload.ts'

const selector = { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': 'agent' }

/**
 * One pod on every node: the agent and, beside it, the DNS server. An init container, which ends, is the only one that
 * may write programs of the node.
 */
export function agentDaemonSet(rendering: Rendering): KubeObject {
  const { image, pullPolicy, binDir, confDir, configHash, maxUnavailable, probeHost } = rendering
  const nodeName = fieldVariable('NODE_NAME', 'spec.nodeName')
  const config = { name: 'config', mountPath: '/etc/weft', readOnly: true }
  const sysctls = { name: 'sysctls', mountPath: '/host/proc/sys/net' }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'weft-agent', namespace, labels: labelsOf('agent') },
    spec: {
      selector: { matchLabels: selector },
      // The ports of two agents on one node would collide: the old one goes first. The kernel forwards meanwhile.
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge: 0 } },
      template: {
        // Clients, policies and the Service know the DNS server by this label (as CoreDNS's).
        metadata: { labels: { ...labelsOf('agent'), 'k8s-app': 'kube-dns' }, annotations: { 'weft.dev/config': configHash } },
        spec: {
          serviceAccountName: 'weft-agent',
          hostNetwork: true,
          // The resolvers of the node are the upstreams of the DNS server; the cluster's own cannot be.
          dnsPolicy: 'Default',
          priorityClassName: 'system-node-critical',
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [{ operator: 'Exists' }],
          // DNS goes on answering for 5 s, the agent ends what it has begun.
          terminationGracePeriodSeconds: 15,
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          initContainers: [{
            name: 'install',
            image,
            imagePullPolicy: pullPolicy,
            command: ['weft-prepare-node', '--config', '/etc/weft/agent.yaml', '--bin-dir', '/host/opt/cni/bin', '--plugin', '/usr/lib/weft/weft-cni'],
            env: [nodeName],
            resources: { requests: { cpu: '10m', memory: '60Mi' } },
            securityContext: { ...unprivileged, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } },
            volumeMounts: [config, sysctls, { name: 'cni-bin', mountPath: '/host/opt/cni/bin' }],
          }],
          containers: [
            {
              name: 'agent',
              image,
              imagePullPolicy: pullPolicy,
              command: ['weft-agent', '--config', '/etc/weft/agent.yaml'],
              // Compiled code outlives the container: the next start is shorter.
              env: [nodeName, { name: 'NODE_COMPILE_CACHE', value: '/var/lib/cni/weft/compile-cache' }],
              resources: { requests: { cpu: '50m', memory: '120Mi' } },
              securityContext: { ...unprivileged, capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] } },
              startupProbe: probe('/healthz', probeHost, { port: agentHealthPort, periodSeconds: 1, failureThreshold: 60 }),
              livenessProbe: probe('/healthz', probeHost, { port: agentHealthPort, periodSeconds: 10, failureThreshold: 6 }),
              readinessProbe: probe('/readyz', probeHost, { port: agentHealthPort, periodSeconds: 5, failureThreshold: 2 }),
              volumeMounts: [
                config, sysctls,
                { name: 'run', mountPath: '/run/weft' },
                { name: 'state', mountPath: '/var/lib/cni/weft' },
                { name: 'cni-conf', mountPath: '/host/etc/cni/net.d' },
                { name: 'netns', mountPath: '/run/netns', mountPropagation: 'HostToContainer', readOnly: true },
              ],
            },
            {
              name: 'dns',
              image,
              imagePullPolicy: pullPolicy,
              command: ['weft-dns', '--config', '/etc/weft/dns.yaml'],
              env: [nodeName],
              ports: [{ name: 'dns', containerPort: dnsPort, protocol: 'UDP' }, { name: 'dns-tcp', containerPort: dnsPort, protocol: 'TCP' }],
              resources: { requests: { cpu: '50m', memory: '90Mi' } },
              securityContext: { ...unprivileged, ...nonroot },
              startupProbe: probe('/healthz', probeHost, { port: dnsHealthPort, periodSeconds: 1, failureThreshold: 60 }),
              livenessProbe: probe('/healthz', probeHost, { port: dnsHealthPort, periodSeconds: 10, failureThreshold: 6 }),
              readinessProbe: probe('/readyz', probeHost, { port: dnsHealthPort, periodSeconds: 5, failureThreshold: 2 }),
              volumeMounts: [config, { name: 'dns-run', mountPath: '/run/weft' }],
            },
          ],
          volumes: [
            { name: 'config', configMap: { name: 'weft' } },
            hostFolder('sysctls', '/proc/sys/net', 'Directory'),
            hostFolder('run', '/run/weft'),
            hostFolder('state', '/var/lib/cni/weft'),
            hostFolder('cni-bin', binDir),
            hostFolder('cni-conf', confDir),
            hostFolder('netns', '/run/netns'),
            { name: 'dns-run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          ],
        },
      },
    },
  }
}
