export { ctMarks, dnsPort, links, logGroups, loopbackStandIns, podGateways, priorities, routeProtocols, routing, scratchMarks, tables } from './kernel.ts'
export { Field } from './field.ts'
export { InvalidObjectError } from './invalid-object.ts'
export type { ObjectResource } from './object-resource.ts'
export { type ObjectMeta, objectKey, openObject } from './object-meta.ts'
export { formatLabelSelector, type LabelRequirement, type LabelSelector, readLabelSelector, selectorMatches } from './label-selector.ts'
export { type Protocol, protocolNumbers, protocols } from './protocol.ts'
export { type ContainerPort, type Pod, podResource, toPod } from './pod.ts'
export { type NodeName, nodeNameSchema, parseNodeName } from './node-name.ts'
export { type Node, nodeResource, toNode } from './node.ts'
export { type Namespace, namespaceResource, toNamespace } from './namespace.ts'
export { maxAnnotationLength, type Service, type ServicePort, type ServiceType, type TrafficPolicy, serviceResource, toService } from './service.ts'
export { type Endpoint, type EndpointPort, type EndpointSlice, endpointSliceResource, toEndpointSlice } from './endpoint-slice.ts'
export { type NetworkPolicy, type PolicyPeer, type PolicyPort, type PolicyRule, networkPolicyResource, toNetworkPolicy } from './network-policy.ts'
export { type PolicyTelling, silentTelling } from './policy-telling.ts'
export type { ExplainedEnd, ExplainedKernel, ExplainedLine, ExplainedRule, ExplainedSide, PolicyExplanation, PolicyMatrix, PolicyReach } from './admin/policy-explanation.ts'
export {
  adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, clusterPolicyKey, type ClusterPolicyKind, type ClusterPolicyRule, compareClusterPolicies,
  type PolicyAction, type PolicyTier, toClusterNetworkPolicy,
} from './cluster-network-policy.ts'
export { type ListenAddress, listenAddressSchema } from './listen-address.ts'
export { type AgentStatus, type ControllerStatus, type KernelFeature, kernelFeatures, type ProgramStatus, programStatus } from './admin/program-status.ts'
export { type AdminCall, type AdminCalls } from './admin/admin-call.ts'
export {
  agentCalls, type AgentCalls, type ConnectionQuestion, controllerCalls, type ControllerCalls, dnsCalls, type DnsCalls, overlayCalls, type OverlayCalls, policyCalls, type PolicyCalls, proxyCalls, type ProxyCalls,
  type ProxyQuestion, type ReachQuestion, type TrafficQuestion,
} from './admin/contracts.ts'
export { type AdminAnswers, adminRoutes } from './admin/admin-routes.ts'
export { type AdminClient, adminClient, type AdminDoor, type AdminRequest } from './admin/admin-client.ts'
export { InvalidAnswerError } from './admin/invalid-answer.ts'
export type { Attachment } from './attachment.ts'
export { type CustomResource, customResource, group, type PrinterColumn, version } from './custom-resource.ts'
export { type IpBlock, ipBlockName, ipBlockResource, type IpPool, ipPoolResource, toIpBlock, toIpPool } from './ip-pool.ts'
export { type AddressTable, putStandIns } from './stand-ins.ts'
