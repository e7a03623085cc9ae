export { type AgentConfig, agentConfigSchema } from './config.ts'
export { type Agent, type AgentDeps, createAgent } from './agent.ts'
