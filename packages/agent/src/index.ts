export { type AgentConfig, agentConfigSchema } from './config.ts'
export { type Agent, type AgentDeps, type AgentStatus, createAgent } from './agent.ts'
