export { installPlugin, type InstalledPlugin, type PluginOutput, programs, runProgram, whyNoShim } from './installed-plugin.ts'
