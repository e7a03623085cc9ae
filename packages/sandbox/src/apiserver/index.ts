export { createApiServer, type ApiServer, type ApiServerConfig, type ApiServerOptions } from './server.ts'
export type { ExecOptions, LogOptions, PodRuntime } from './pod-runtime.ts'
export type { FaultPlan, Faults } from './faults.ts'
