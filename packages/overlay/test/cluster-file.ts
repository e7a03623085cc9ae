import { readFileSync } from 'node:fs'
import { type IpBlock, ipBlockName, type Node, parseNodeName, toIpBlock, toNode } from '@weft/api'
import { cidrFrom, ifIndexFrom, parseInterfaceAddress } from '@weft/ip'
import { parse } from 'yaml'
import { type OverlayConfig, overlayConfigSchema } from '../src/config.ts'
import type { OverlayModel, Uplink } from '../src/model.ts'
import { modelOf, watchNodes } from '../src/watch.ts'

export interface NodeLine {
  readonly name: string
  readonly ips: readonly string[]
  readonly podCIDRs?: readonly string[] | undefined
}

export interface ClusterFile {
  readonly node: string
  readonly config?: Readonly<Record<string, unknown>> | undefined
  readonly uplink: { readonly addresses: readonly string[], readonly mtu?: number | undefined }
  readonly nodes: readonly NodeLine[]
  readonly blocks?: readonly { readonly cidr: string, readonly node: string }[] | undefined
}

export function readClusterFile(path: URL): ClusterFile {
  return parse(readFileSync(path, 'utf8')) as ClusterFile
}

/** A Node object as the API server would send it, trimmed. */
export function nodeOf({ name, ips, podCIDRs }: NodeLine): Node {
  return toNode({ metadata: { name, uid: name }, spec: { podCIDRs }, status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) } })
}

export function blockOf({ cidr, node }: { readonly cidr: string, readonly node: string }): IpBlock {
  return toIpBlock({ metadata: { name: ipBlockName(cidr) }, spec: { cidr, pool: 'default', node } })
}

function uplinkOf({ addresses, mtu = 1500 }: ClusterFile['uplink']): Uplink {
  const parsed = addresses.map(parseInterfaceAddress)
  return { index: ifIndexFrom(2), name: 'eth0', up: true, mtuBytes: mtu, networks: parsed.map(({ address, prefix }) => cidrFrom(address, prefix)), addresses: parsed.map(({ address }) => address) }
}

export function configOf(rest: Readonly<Record<string, unknown>> = {}): OverlayConfig {
  return overlayConfigSchema.parse(rest)
}

export function modelOfFile(file: ClusterFile): OverlayModel {
  const nodes = watchNodes(parseNodeName(file.node), file.nodes.map(nodeOf), (file.blocks ?? []).map(blockOf))
  if (nodes === undefined) throw new Error(`Cannot use cluster file: node ${file.node} has no address`)
  return modelOf(nodes, uplinkOf(file.uplink))
}
