export { type Cleaned, cleanNode, type CleanOptions, leftovers } from './node/clean-node.ts'
export type { Finding } from './node/finding.ts'
export { preflightNode, type PreflightOptions } from './node/preflight-node.ts'
