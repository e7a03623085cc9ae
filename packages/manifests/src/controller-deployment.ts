import { type KubeObject, labelsOf, namespace } from './kube-object.ts'
import { controllerHealthPort } from './ports.ts'
import type { Rendering } from './rendering.ts'
import { fieldVariable, nonroot, probe, unprivileged } from './workload.ts'

const selector = { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': 'controller' }

/** Two replicas on the host network: they must not wait for the network that they configure. */
export function controllerDeployment({ image, pullPolicy, configHash, replicas, probeHost }: Rendering): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'weft-controller', namespace, labels: labelsOf('controller') },
    spec: {
      replicas,
      selector: { matchLabels: selector },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      template: {
        metadata: { labels: labelsOf('controller'), annotations: { 'weft.dev/config': configHash } },
        spec: {
          serviceAccountName: 'weft-controller',
          hostNetwork: true,
          dnsPolicy: 'Default',
          priorityClassName: 'system-cluster-critical',
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [
            { key: 'CriticalAddonsOnly', operator: 'Exists' },
            { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
            ...['node.kubernetes.io/not-ready', 'node.kubernetes.io/network-unavailable', 'node.cloudprovider.kubernetes.io/uninitialized'].map((key) => ({ key, operator: 'Exists', effect: 'NoSchedule' })),
            // A node that is gone gives its replica back after half a minute; one that has no network yet keeps it.
            { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
            { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 },
          ],
          terminationGracePeriodSeconds: 10,
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          containers: [{
            name: 'controller',
            image,
            imagePullPolicy: pullPolicy,
            command: ['weft-controller', '--config', '/etc/weft/controller.yaml'],
            env: [fieldVariable('POD_NAME', 'metadata.name')],
            // Its port is one of the node: two replicas never share a node.
            ports: [{ name: 'health', containerPort: controllerHealthPort, protocol: 'TCP' }],
            resources: { requests: { cpu: '10m', memory: '90Mi' } },
            securityContext: { ...unprivileged, ...nonroot },
            livenessProbe: probe('/healthz', probeHost, { port: controllerHealthPort, periodSeconds: 10, failureThreshold: 6 }),
            readinessProbe: probe('/readyz', probeHost, { port: controllerHealthPort, periodSeconds: 5, failureThreshold: 2 }),
            volumeMounts: [{ name: 'config', mountPath: '/etc/weft', readOnly: true }, { name: 'run', mountPath: '/run/weft' }],
          }],
          volumes: [{ name: 'config', configMap: { name: 'weft' } }, { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
        },
      },
    },
  }
}

export function controllerDisruptionBudget(): KubeObject {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'weft-controller', namespace, labels: labelsOf('controller') },
    spec: { maxUnavailable: 1, selector: { matchLabels: selector } },
  }
}
