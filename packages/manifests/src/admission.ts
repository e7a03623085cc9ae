import { type KubeObject, namespace } from './kube-object.ts'

interface Validation {
  readonly expression: string
  readonly messageExpression: string
}

/** Which requests of an agent are looked at, and what must be true of them. */
interface AgentPolicy {
  readonly name: string
  readonly rule: { readonly apiGroups: readonly string[], readonly operations: readonly string[], readonly resources: readonly string[] }
  readonly validations: readonly Validation[]
}

/**
 * What RBAC cannot say: the agent of a node writes only what is that node's own. The service account is the same on every
 * node; its tokens name the node of the pod they were made for (authentication.kubernetes.io/node-name, since Kubernetes 1.30).
 */
const policies: readonly AgentPolicy[] = [
  {
    name: 'weft-agent-node',
    rule: { apiGroups: [''], operations: ['UPDATE'], resources: ['nodes', 'nodes/status'] },
    validations: [{
      expression: "variables.node != '' && object.metadata.name == variables.node",
      messageExpression: `'the agent of node "' + variables.node + '" writes only its own Node'`,
    }],
  },
  {
    name: 'weft-agent-ipblocks',
    rule: { apiGroups: ['weft.dev'], operations: ['CREATE', 'UPDATE'], resources: ['ipblocks'] },
    // A node takes blocks for itself: new ones, and those that nobody has.
    validations: [
      {
        expression: "variables.node != '' && object.spec.node == variables.node",
        messageExpression: `'the agent of node "' + variables.node + '" claims blocks for itself only'`,
      },
      {
        expression: "oldObject == null || oldObject.spec.node in ['', variables.node]",
        messageExpression: `'block "' + object.metadata.name + '" belongs to node "' + oldObject.spec.node + '"'`,
      },
    ],
  },
]

/** The policies with their bindings. */
export const admission: readonly KubeObject[] = policies.flatMap(({ name, rule, validations }) => [
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: { resourceRules: [{ ...rule, apiVersions: ['*'] }] },
      matchConditions: [{ name: 'agent', expression: `request.userInfo.username == 'system:serviceaccount:${namespace}:weft-agent'` }],
      variables: [{ name: 'node', expression: "request.userInfo.?extra['authentication.kubernetes.io/node-name'][?0].orValue('')" }],
      validations: validations.map((validation) => ({ ...validation, reason: 'Forbidden' })),
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'] },
  },
])
