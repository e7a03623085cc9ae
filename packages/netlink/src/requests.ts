import { addressRequest } from './address.ts'
import type { InterfaceAddressSpec } from './address.ts'
import * as k from './kernel-constants.gen.ts'
import { addLinkRequest, deleteLinkRequest, getLinkRequest, setBridgePortRequest, setLinkRequest } from './link.ts'
import type { BridgePortChange, LinkChange, LinkSpec } from './link-spec.ts'
import type { NetlinkRequest } from './message.ts'
import { fdbRequest, neighbourRequest } from './neighbour.ts'
import type { FdbSpec, NeighbourSpec } from './neighbour.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from './netlink-protocol.ts'
import { routeRequest } from './route.ts'
import type { RouteSpec } from './route.ts'
import { ruleRequest } from './rule.ts'
import type { RuleSpec } from './rule.ts'

const ADD = NLM_F_CREATE | NLM_F_EXCL
const REPLACE = NLM_F_CREATE | NLM_F_REPLACE

/** The verbs of {@link RouteSocket} as values, for {@link RouteSocket.transact}. */
export interface Requests {
  addLink(spec: LinkSpec): NetlinkRequest
  setLink(index: number, change: LinkChange): NetlinkRequest
  setBridgePort(index: number, change: BridgePortChange): NetlinkRequest
  deleteLink(index: number): NetlinkRequest
  getLink(nameOrIndex: string | number): NetlinkRequest
  addAddress(spec: InterfaceAddressSpec): NetlinkRequest
  replaceAddress(spec: InterfaceAddressSpec): NetlinkRequest
  deleteAddress(spec: InterfaceAddressSpec): NetlinkRequest
  addRoute(spec: RouteSpec): NetlinkRequest
  replaceRoute(spec: RouteSpec): NetlinkRequest
  deleteRoute(spec: RouteSpec): NetlinkRequest
  addRule(spec: RuleSpec): NetlinkRequest
  deleteRule(spec: RuleSpec): NetlinkRequest
  replaceNeighbour(spec: NeighbourSpec): NetlinkRequest
  deleteNeighbour(spec: NeighbourSpec): NetlinkRequest
  addFdb(spec: FdbSpec): NetlinkRequest
  appendFdb(spec: FdbSpec): NetlinkRequest
  replaceFdb(spec: FdbSpec): NetlinkRequest
  deleteFdb(spec: FdbSpec): NetlinkRequest
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
  addFdb: (spec) => fdbRequest(spec, { name: 'add', type: k.RTM_NEWNEIGH, flags: ADD }),
  appendFdb: (spec) => fdbRequest(spec, { name: 'append', type: k.RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_APPEND }),
  replaceFdb: (spec) => fdbRequest(spec, { name: 'replace', type: k.RTM_NEWNEIGH, flags: REPLACE }),
  deleteFdb: (spec) => fdbRequest(spec, { name: 'delete', type: k.RTM_DELNEIGH, flags: 0 }),
}
