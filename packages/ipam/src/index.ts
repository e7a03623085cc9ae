export { type IpamConfig, ipamConfigSchema, type PoolControllerConfig, poolControllerConfigSchema } from './config.ts'
export { createIpam, type IpamDeps } from './ipam.ts'
export { createPoolController, type PoolController, type PoolControllerDeps } from './pool-controller.ts'
export type { OnRefused } from './refusals.ts'
