export { createIpamPlugin, type IpamPlugin, type IpamPluginDeps, ipamPluginName } from './ipam-plugin.ts'
export { type IpamPluginConfig, ipamPluginConfigSchema } from '../program-config.ts'
