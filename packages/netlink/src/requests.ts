import type { IfIndex } from '@weft/ip'
import { addressRequest } from './address.ts'
import type { InterfaceAddressSpec } from './address.ts'
import * as k from './kernel-constants.gen.ts'
import { addLinkRequest, deleteLinkRequest, getLinkRequest, setBridgePortRequest, setLinkRequest } from './link.ts'
import type { BridgePortChange, LinkChange, LinkSpec } from './link-spec.ts'
import type { NetlinkRequest } from './message.ts'
import { fdbRequest, neighbourRequest } from './neighbour.ts'
import type { FdbSpec, NeighbourSpec } from './neighbour.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from './netlink-protocol.ts'
import { replaceTbfRequest } from './qdisc.ts'
import type { TbfSpec } from './qdisc.ts'
import { routeRequest } from './route.ts'
import type { RouteSpec } from './route.ts'
import { ruleRequest } from './rule.ts'
import type { RuleSpec } from './rule.ts'

const ADD = NLM_F_CREATE | NLM_F_EXCL
const REPLACE = NLM_F_CREATE | NLM_F_REPLACE

/** The verbs of {@link RouteSocket} as values, for {@link RouteSocket.transact}. */
export interface Requests {
  readonly addLink: (spec: LinkSpec) => NetlinkRequest
  readonly setLink: (index: IfIndex, change: LinkChange) => NetlinkRequest
  readonly setBridgePort: (index: IfIndex, change: BridgePortChange) => NetlinkRequest
  readonly deleteLink: (index: IfIndex) => NetlinkRequest
  readonly getLink: (nameOrIndex: string | IfIndex) => NetlinkRequest
  readonly addAddress: (spec: InterfaceAddressSpec) => NetlinkRequest
  readonly replaceAddress: (spec: InterfaceAddressSpec) => NetlinkRequest
  readonly deleteAddress: (spec: InterfaceAddressSpec) => NetlinkRequest
  readonly addRoute: (spec: RouteSpec) => NetlinkRequest
  readonly replaceRoute: (spec: RouteSpec) => NetlinkRequest
  readonly deleteRoute: (spec: RouteSpec) => NetlinkRequest
  readonly addRule: (spec: RuleSpec) => NetlinkRequest
  readonly deleteRule: (spec: RuleSpec) => NetlinkRequest
  readonly replaceNeighbour: (spec: NeighbourSpec) => NetlinkRequest
  readonly deleteNeighbour: (spec: NeighbourSpec) => NetlinkRequest
  readonly replaceTbf: (spec: TbfSpec) => NetlinkRequest
  readonly addFdb: (spec: FdbSpec) => NetlinkRequest
  readonly appendFdb: (spec: FdbSpec) => NetlinkRequest
  readonly replaceFdb: (spec: FdbSpec) => NetlinkRequest
  readonly deleteFdb: (spec: FdbSpec) => NetlinkRequest
}

export const requests: Requests = {
  addLink: (spec) => addLinkRequest(spec),
  setLink: (index, change) => setLinkRequest(index, change),
  setBridgePort: (index, change) => setBridgePortRequest(index, change),
  deleteLink: (index) => deleteLinkRequest(index),
  getLink: (nameOrIndex) => getLinkRequest(nameOrIndex),
  addAddress: (spec) => addressRequest(spec, { name: 'add', type: k.RTM_NEWADDR, flags: ADD }),
  replaceAddress: (spec) => addressRequest(spec, { name: 'replace', type: k.RTM_NEWADDR, flags: REPLACE }),
  deleteAddress: (spec) => addressRequest(spec, { name: 'delete', type: k.RTM_DELADDR, flags: 0 }),
  addRoute: (spec) => routeRequest(spec, { name: 'add', type: k.RTM_NEWROUTE, flags: ADD }),
  replaceRoute: (spec) => routeRequest(spec, { name: 'replace', type: k.RTM_NEWROUTE, flags: REPLACE }),
  deleteRoute: (spec) => routeRequest(spec, { name: 'delete', type: k.RTM_DELROUTE, flags: 0 }),
  addRule: (spec) => ruleRequest(spec, { name: 'add', type: k.RTM_NEWRULE, flags: ADD }),
  deleteRule: (spec) => ruleRequest(spec, { name: 'delete', type: k.RTM_DELRULE, flags: 0 }),
  replaceNeighbour: (spec) => neighbourRequest(spec, { name: 'replace', type: k.RTM_NEWNEIGH, flags: REPLACE }),
  deleteNeighbour: (spec) => neighbourRequest(spec, { name: 'delete', type: k.RTM_DELNEIGH, flags: 0 }),
  replaceTbf: (spec) => replaceTbfRequest(spec),
  addFdb: (spec) => fdbRequest(spec, { name: 'add', type: k.RTM_NEWNEIGH, flags: ADD }),
  appendFdb: (spec) => fdbRequest(spec, { name: 'append', type: k.RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_APPEND }),
  replaceFdb: (spec) => fdbRequest(spec, { name: 'replace', type: k.RTM_NEWNEIGH, flags: REPLACE }),
  deleteFdb: (spec) => fdbRequest(spec, { name: 'delete', type: k.RTM_DELNEIGH, flags: 0 }),
}
