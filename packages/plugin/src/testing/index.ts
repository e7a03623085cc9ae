export { installPlugin, type InstalledPlugin, type PluginOutput, programs, runProgram, whyNoShim } from './installed-plugin.ts'
export { type CallFrame, encodeCall } from '../frame.ts'
export { writeSpool } from '../spool.ts'
