/**
 * Tables in the shape of others, as chains, sets and maps in nft's words, each after what it refers to: what a node has when `policies` policies select `pods` of its pods, and `rules`
 * rules stand before the one that allows `client` to send to `server`.
 */
export interface PeerShape {
  readonly client: string
  readonly server: string
  /** Local pods; the server is the last of them. */
  readonly pods: readonly string[]
  /** Policies that select the other pods. */
  readonly policies: number
  /** Rules of the server's own policy. */
  readonly rules: number
}

const strangers = '192.0.2.1, 192.0.2.2'

/** kube-router: a firewall chain for each pod behind a rule for each pod; ipsets for the pods and the peers of each policy; a mark says that one allowed it. */
export function kubeRouterTable({ client, server, pods, policies, rules }: PeerShape): readonly string[] {
  const chains: string[] = []
  const policy = (name: string, peers: readonly string[], target: string): void => {
    chains.push(`set dst-${name} { type ipv4_addr; elements = { ${target} } }`)
    for (const [index, peer] of peers.entries()) chains.push(`set src-${name}-${index} { type ipv4_addr; elements = { ${peer} } }`)
    chains.push(`chain nwplcy-${name} {\n${peers.map((_peer, index) => `ip saddr @src-${name}-${index} ip daddr @dst-${name} meta mark set meta mark | 0x10000\nmeta mark & 0x10000 == 0x10000 return`).join('\n')}\n}`)
  }
  policy('own', [...Array.from({ length: rules }, () => strangers), client], server)
  for (let index = 0; index < policies; index += 1) policy(`other${index}`, [strangers], pods[index % pods.length]!)
  const own = (pod: string, at: number): readonly string[] => [...(pod === server ? ['own'] : []), ...Array.from({ length: policies }, (_, index) => index).filter((index) => index % pods.length === at).map((index) => `other${index}`)]
  const firewalls = pods.map((pod, at) => `chain pod-fw-${at} {\nct state related,established accept\n${own(pod, at).map((name) => `jump nwplcy-${name}`).join('\n')}\nmeta mark & 0x10000 != 0x10000 drop\nmeta mark set meta mark & 0xfffeffff\n}`)
  const dispatch = pods.map((pod, at) => `ip daddr ${pod} jump pod-fw-${at}`).join('\n')
  return [...chains, ...firewalls, `chain forward {\ntype filter hook forward priority 0;\n${dispatch}\n}`]
}

/** Calico with nftables: a verdict map from pods to their chains, a chain for each policy with a set for each selector, marks for what was decided. */
export function calicoTable({ client, server, pods, policies, rules }: PeerShape): readonly string[] {
  const chains: string[] = []
  const policy = (name: string, peers: readonly string[]): void => {
    for (const [index, peer] of peers.entries()) chains.push(`set s-${name}-${index} { type ipv4_addr; flags interval; elements = { ${peer} } }`)
    chains.push(`chain pi-${name} {\n${peers.map((_peer, index) => `ip saddr @s-${name}-${index} meta mark set meta mark | 0x10000\nmeta mark & 0x10000 == 0x10000 return`).join('\n')}\n}`)
  }
  policy('own', [...Array.from({ length: rules }, () => strangers), client])
  for (let index = 0; index < policies; index += 1) policy(`other${index}`, [strangers])
  const own = (pod: string, at: number): readonly string[] => [...(pod === server ? ['own'] : []), ...Array.from({ length: policies }, (_, index) => index).filter((index) => index % pods.length === at).map((index) => `other${index}`)]
  const endpoints = pods.map((pod, at) => `chain tw-${at} {\nct state related,established accept\nct state invalid drop\nmeta mark set meta mark & 0xfffcffff\n${own(pod, at).map((name) => `meta mark & 0x20000 == 0 jump pi-${name}\nmeta mark & 0x10000 == 0x10000 return`).join('\n')}\ndrop\n}`)
  return [...chains, ...endpoints, `map to-pods { type ipv4_addr : verdict; elements = { ${pods.map((pod, at) => `${pod} : goto tw-${at}`).join(', ')} } }`, 'chain forward {\ntype filter hook forward priority 0;\nip daddr vmap @to-pods\n}']
}
