export { createApiServer } from './server.ts'
export type { ExecOptions, LogOptions, PodRuntime } from './pod-runtime.ts'
