/** Where programs answer kubelet's probes and Prometheus on the node's network. */
export const dnsHealthPort = 9153
export const agentHealthPort = 9154
export const controllerHealthPort = 9155
export const policyHealthPort = 9156
export const proxyHealthPort = 9157
