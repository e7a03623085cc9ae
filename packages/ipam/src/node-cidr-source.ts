import type { Node, NodeName } from '@weft/api'
import type { Store } from '@weft/kube'
import type { RangeSink, RangeSource } from '@weft/allocator'

interface NodeCidrOptions {
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  readonly sink: RangeSink
}

/** Ranges are `spec.podCIDRs` of this node (IPAM-13). A node that vanishes keeps the last ones: pods are still here. */
export function nodeCidrSource({ nodeName, nodes, sink }: NodeCidrOptions): RangeSource {
  return {
    mode: 'node-cidr',
    get trouble() {
      return nodes.hasSynced ? `node "${nodeName}" has no podCIDRs; give the cluster a range for pods (kubeadm \`--pod-network-cidr\`), or set \`ipam.mode\` to blocks and make an IPPool` : undefined
    },
    run: (signal) => new Promise((resolve) => {
      const unsubscribe = nodes.subscribe((change) => {
        if (change.key === nodeName && change.new !== undefined && change.new.podCidrs.length > 0) sink(change.new.podCidrs)
      }, { replay: true })
      const end = (): void => {
        unsubscribe()
        resolve()
      }
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    }),
    grow: () => Promise.resolve(),
    low: () => undefined,
  }
}
