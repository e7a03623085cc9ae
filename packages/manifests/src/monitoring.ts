import { type KubeObject, labelsOf, namespace } from './kube-object.ts'
import { agentHealthPort, controllerHealthPort, dnsHealthPort } from './ports.ts'

/** What the Prometheus operator needs to find every program's `/metrics`. */
export function serviceMonitorObjects(): readonly KubeObject[] {
  const service = (component: 'agent' | 'controller', ports: Readonly<Record<string, number>>): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `weft-${component}-metrics`, namespace, labels: labelsOf('metrics') },
    spec: {
      clusterIP: 'None',
      // One that is not ready has metrics that say why.
      publishNotReadyAddresses: true,
      selector: { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': component },
      ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 'TCP', targetPort: port })),
    },
  })
  return [
    service('agent', { agent: agentHealthPort, dns: dnsHealthPort }),
    service('controller', { controller: controllerHealthPort }),
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: 'weft', namespace, labels: labelsOf('metrics') },
      spec: {
        namespaceSelector: { matchNames: [namespace] },
        selector: { matchLabels: labelsOf('metrics') },
        endpoints: ['agent', 'dns', 'controller'].map((port) => ({ port, relabelings: [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }] })),
      },
    },
  ]
}

interface Panel {
  readonly title: string
  readonly unit: string
  readonly queries: Readonly<Record<string, string>>
}

const quantile = (metric: string, by = ''): string => `histogram_quantile(0.99, sum by (le${by}) (rate(weft_${metric}_bucket[$__rate_interval])))`
const rate = (metric: string, by: string): string => `sum by (${by}) (rate(weft_${metric}[$__rate_interval]))`

/** What an operator looks at first: does it work, is it fast, what was refused, what does it cost. */
const panels: readonly Panel[] = [
  { title: 'CNI calls', unit: 'ops', queries: { '{{verb}} {{result}}': rate('cni_verbs_total', 'verb, result') } },
  { title: 'CNI ADD, slowest of a hundred', unit: 's', queries: { '{{verb}}': quantile('cni_verb_seconds', ', verb') } },
  { title: 'Pod interfaces', unit: 'short', queries: { '{{node}}': 'max by (node) (weft_cni_attachments)' } },
  { title: 'DNS questions', unit: 'ops', queries: { '{{zone}} {{rcode}}': rate('dns_responses_total', 'zone, rcode') } },
  { title: 'DNS answers, slowest of a hundred', unit: 's', queries: { all: quantile('dns_query_duration_seconds') } },
  { title: 'Services programmed, slowest of a hundred', unit: 's', queries: { '{{node}}': quantile('proxy_programming_lag_seconds', ', node') } },
  { title: 'Policies programmed, slowest of a hundred', unit: 's', queries: { '{{node}}': quantile('policy_commit_seconds', ', node') } },
  { title: 'Objects refused', unit: 'short', queries: { '{{node}} {{resource}}': 'weft_kube_refused_objects > 0' } },
  { title: 'Foreign edits mended', unit: 'ops', queries: { '{{node}} {{what}}': rate('cni_mended_total', 'node, what') } },
  { title: 'Nodes by path', unit: 'short', queries: { '{{path}}': 'max by (path) (weft_overlay_peers)' } },
  { title: 'Memory', unit: 'bytes', queries: { '{{node}} {{job}}': 'process_resident_memory_bytes{job=~"weft.*"}' } },
  { title: 'CPU', unit: 'percentunit', queries: { '{{node}} {{job}}': 'rate(process_cpu_seconds_total{job=~"weft.*"}[$__rate_interval])' } },
]

/** A board for Grafana, as its sidecar finds it. */
export function dashboardObjects(): readonly KubeObject[] {
  const board = {
    title: 'Weft',
    uid: 'weft',
    schemaVersion: 39,
    tags: ['kubernetes', 'network'],
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' }] },
    panels: panels.map(({ title, unit, queries }, index) => ({
      id: index + 1,
      title,
      type: 'timeseries',
      datasource: { type: 'prometheus', uid: '${datasource}' },
      gridPos: { x: (index % 3) * 8, y: Math.floor(index / 3) * 8, w: 8, h: 8 },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: Object.entries(queries).map(([legendFormat, expr], target) => ({ refId: String.fromCodePoint(65 + target), expr, legendFormat })),
    })),
  }
  return [{
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'weft-dashboard', namespace, labels: { ...labelsOf('dashboard'), grafana_dashboard: '1' } },
    data: { 'weft.json': `${JSON.stringify(board, null, 1)}\n` },
  }]
}
