import { clusterNetworkPolicyResource, dnsPort, ipBlockResource, ipPoolResource } from '@weft/api'
import { admission } from './admission.ts'
import { agentDaemonSet } from './agent-daemon-set.ts'
import { controllerDeployment, controllerDisruptionBudget } from './controller-deployment.ts'
import { type KubeObject, labelsOf, namespace } from './kube-object.ts'
import { dashboardObjects, serviceMonitorObjects } from './monitoring.ts'
import { rbacOf } from './rbac.ts'
import { type Rendering, renderingOf } from './rendering.ts'
import type { Values } from './values.ts'

/** Custom resources; they come first. Helm leaves them when Weft goes: with them would go every pool and block. */
export const customResources: readonly KubeObject[] = [ipPoolResource, ipBlockResource, clusterNetworkPolicyResource]
  .map(({ definition }) => definition as unknown as KubeObject)
  .map((object) => ({ ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, 'helm.sh/resource-policy': 'keep' } } }))

/** Everything an installation applies, in the order it is applied. */
export function manifests(values: Values): readonly KubeObject[] {
  const { serviceMonitor, dashboard } = values.monitoring
  return [...customResources, ...objectsOf(renderingOf(values)), ...(serviceMonitor ? serviceMonitorObjects() : []), ...(dashboard ? dashboardObjects() : [])]
}

/** Everything but custom resources and what is asked for. */
export function objectsOf(rendering: Rendering): readonly KubeObject[] {
  return [
    ...rbacOf('agent'),
    ...rbacOf('controller'),
    ...admission,
    configMap(rendering),
    dnsService(rendering),
    agentDaemonSet(rendering),
    controllerDeployment(rendering),
    controllerDisruptionBudget(),
  ]
}

function configMap({ agentConfig, dnsConfig, controllerConfig }: Rendering): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'weft', namespace, labels: labelsOf('config') },
    data: { 'agent.yaml': agentConfig, 'dns.yaml': dnsConfig, 'controller.yaml': controllerConfig },
  }
}

/** The Service every kubelet tells its pods of. Its name is the one that clients, policies and other add-ons know. */
function dnsService({ dnsAddress, dnsAddresses }: Rendering): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace, labels: { ...labelsOf('dns'), 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'Weft' } },
    spec: {
      selector: { 'app.kubernetes.io/name': 'weft', 'k8s-app': 'kube-dns' },
      clusterIP: dnsAddress,
      clusterIPs: dnsAddresses,
      ipFamilyPolicy: 'PreferDualStack',
      ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: dnsPort }, { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: dnsPort }],
    },
  }
}
