export { createApiServer, type ApiServer } from './server.ts'
export type { ExecOptions, LogOptions, PodRuntime } from './pod-runtime.ts'
