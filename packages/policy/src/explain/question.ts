import { type ConnectionQuestion, type Namespace, type Node, type NodeName, objectKey, type Pod, type Protocol, protocols, type TrafficQuestion } from '@weft/api'
import { cidrContains, formatIp, type IpAddress, parseIp, parsePort } from '@weft/ip'

/** Traffic somebody wonders about. */
export interface Traffic {
  readonly protocol: Protocol | 'ICMP'
  /** Undefined for ICMP. */
  readonly port: number | undefined
}

export interface PolicyQuestion extends Traffic {
  /** A pod `namespace/name` or `name` of the namespace `default`, a node by name, or an address. */
  readonly from: string
  readonly to: string
  /** Which addresses of pods and nodes; by default the first one that both have. */
  readonly family: 4 | 6 | undefined
}

/** Whom an end of a question means. */
export interface QuestionEnd {
  readonly ip: IpAddress
  readonly words: string
  readonly node: NodeName | undefined
}

/** e.g. `TCP 80`, `ICMP`. */
export function formatTraffic({ protocol, port }: Traffic): string {
  return port === undefined ? protocol : `${protocol} ${port}`
}

/**
 * Reads a question of text.
 *
 * @throws {SyntaxError} When they are no question.
 */
export function readQuestion({ from, to, ...traffic }: ConnectionQuestion): PolicyQuestion {
  if (from === '' || to === '') throw new SyntaxError('Cannot explain a connection: wanted from and to, each a pod, a node or an address')
  return { from, to, ...readTraffic(traffic), family: readFamily(traffic) }
}

/** @throws {SyntaxError} When protocol and port do not belong together. */
export function readTraffic({ protocol: named = '', port = '' }: TrafficQuestion): Traffic {
  const word = named.toUpperCase()
  const protocol = ([...protocols, 'ICMP'] as const).find((each) => each === (word === '' ? (port === '' ? 'ICMP' : 'TCP') : word))
  if (protocol === undefined) throw new SyntaxError(`Cannot explain protocol "${word}": wanted one of ${protocols.join(', ')}, ICMP`)
  if ((protocol === 'ICMP') !== (port === '')) throw new SyntaxError(`Cannot explain ${protocol}${port === '' ? ' without a port' : ` port ${port}`}: TCP, UDP and SCTP have ports, ICMP has none`)
  return { protocol, port: port === '' ? undefined : parsePort(port) }
}

export function readFamily({ family = '' }: TrafficQuestion): 4 | 6 | undefined {
  if (!['', '4', '6'].includes(family)) throw new SyntaxError(`Cannot explain family "${family}": wanted 4 or 6`)
  return family === '' ? undefined : family === '4' ? 4 : 6
}

/**
 * Finds both ends, with addresses of one family.
 *
 * @throws {SyntaxError} When one is unknown, or they have no family in common.
 */
export function endsOf({ from, to, family }: PolicyQuestion, cluster: { readonly pods: readonly Pod[], readonly nodes: readonly Node[], readonly namespaces: readonly Namespace[] }): { readonly from: QuestionEnd, readonly to: QuestionEnd } {
  const [sources, destinations] = [from, to].map((text) => endsNamed(text, cluster).filter(({ ip }) => family === undefined || ip.family === family)) as [QuestionEnd[], QuestionEnd[]]
  for (const source of sources) {
    const destination = destinations.find(({ ip }) => ip.family === source.ip.family)
    if (destination !== undefined) return { from: source, to: destination }
  }
  throw new SyntaxError(`Cannot explain "${from}" to "${to}": they have no address of one family${family === undefined ? '' : ` ${family}`}`)
}

function endsNamed(text: string, { pods, nodes, namespaces }: Parameters<typeof endsOf>[1]): readonly QuestionEnd[] {
  const node = nodes.find(({ name }) => name === text)
  if (node !== undefined) return node.addresses.map((ip) => ({ ip, words: `node ${text}`, node: node.name }))
  if (text.includes(':') || /^[\d.]+$/.test(text)) return [endAt(parseIp(text), { pods, nodes })]
  const key = text.includes('/') ? text : `default/${text}`
  const pod = pods.find((each) => objectKey(each) === key)
  if (pod === undefined) {
    const isNamespace = namespaces.some(({ name }) => name === key.split('/')[0])
    throw new SyntaxError(`Cannot explain "${text}": there is no pod ${key}${isNamespace ? '' : ' and no such namespace'}, and no node of that name`)
  }
  if (pod.ips.length === 0) throw new SyntaxError(`Cannot explain "${text}": pod ${key} has no address yet`)
  return pod.ips.map((ip) => ({ ip, words: `pod ${key}${pod.hostNetwork ? ' (on the host network)' : pod.finished ? ' (ended)' : ''}`, node: pod.nodeName }))
}

function endAt(ip: IpAddress, { pods, nodes }: { readonly pods: readonly Pod[], readonly nodes: readonly Node[] }): QuestionEnd {
  const text = formatIp(ip)
  const has = (ips: readonly IpAddress[]): boolean => ips.some((each) => formatIp(each) === text)
  const pod = pods.find((each) => !each.hostNetwork && !each.finished && has(each.ips))
  if (pod !== undefined) return { ip, words: `pod ${objectKey(pod)}`, node: pod.nodeName }
  const node = nodes.find(({ addresses }) => has(addresses))
  if (node !== undefined) return { ip, words: `node ${node.name}`, node: node.name }
  const giver = nodes.find(({ podCidrs }) => podCidrs.some((range) => cidrContains(range, ip)))
  return { ip, words: giver === undefined ? `${text}, no pod and no node` : `${text}, no pod, of the podCIDRs of node ${giver.name}`, node: giver?.name }
}

