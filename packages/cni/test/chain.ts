/**
 * Runtimes that carry out a whole list of plugins: libcni itself (its `cnitool`), and the same by hand where that program is not there. Both run
 * inside a node's namespace; `/var/lib` and `/run` are folders of the test, for that is where plugins leave their state.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasPrograms } from '@weft/netlink/testing'
import type { NodeFixture } from './node-fixture.ts'
import { type PluginOutput, runProgram } from '@weft/plugin/testing'

/** Where Debian puts the plugins of containernetworking. */
export const debianPlugins = '/usr/lib/cni'

export interface NetworkList {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly (Readonly<Record<string, unknown>> & { readonly type: string, readonly capabilities?: Readonly<Record<string, boolean>> })[]
}

interface ChainCall {
  readonly netns: string
  readonly capabilityArgs?: Readonly<Record<string, unknown>> | undefined
  readonly args?: string | undefined
}

export interface ChainRuntime {
  /** The result of the last plugin, or what went wrong. */
  add(call: ChainCall): Promise<PluginOutput>
  check(call: ChainCall): Promise<PluginOutput>
  del(call: ChainCall): Promise<PluginOutput>
  /** `libcni` gives the container this name. */
  containerIdOf(netns: string): string
}

/** Where a runtime is: its namespace, and a folder with `bin`. */
export type ChainPlace = Pick<NodeFixture, 'namespace' | 'folder'>

type Start = (node: ChainPlace, list: NetworkList) => Promise<ChainRuntime>

/** Why {@link cnitool} cannot be had, for the title of what is skipped; undefined if it can. */
export const whyNoCnitool: string | undefined = hasPrograms('cnitool') ? undefined : 'cnitool is not on the PATH: go install github.com/containernetworking/cni/cnitool@v1.3.0'

/** What runs a list here, by name; the first is always there. */
export const chainRuntimes: readonly (readonly [string, Start])[] = [['a runtime by hand', byHand], ...whyNoCnitool === undefined ? [['libcni by cnitool', cnitool] as const] : []]

function containerIdOf(netns: string): string {
  return `cnitool-${createHash('sha512').update(netns).digest('hex').slice(0, 20)}`
}

/** The oracle: the reference's own runtime. */
export async function cnitool(node: ChainPlace, list: NetworkList): Promise<ChainRuntime & { gc(): Promise<PluginOutput>, status(): Promise<PluginOutput> }> {
  const confDir = join(node.folder, 'net.d')
  await mkdir(confDir, { recursive: true })
  await writeFile(join(confDir, `${list.name}.conflist`), JSON.stringify(list))
  const call = async (verb: string, { netns, capabilityArgs, args }: ChainCall): Promise<PluginOutput> => await inNode(node, ['cnitool', verb, list.name, netns], {
    NETCONFPATH: confDir, CNI_PATH: pluginPath(node), CNI_IFNAME: 'eth0',
    ...capabilityArgs === undefined ? {} : { CAP_ARGS: JSON.stringify(capabilityArgs) }, ...args === undefined ? {} : { CNI_ARGS: args },
  })
  const nowhere = { netns: '/x' }
  return { add: (each) => call('add', each), check: (each) => call('check', each), del: (each) => call('del', each), gc: () => call('gc', nowhere), status: () => call('status', nowhere), containerIdOf }
}

/** SPEC 1.1 section 3, as far as one attachment goes. */
async function byHand(node: ChainPlace, { cniVersion, name, plugins }: NetworkList): Promise<ChainRuntime> {
  const results = new Map<string, unknown>()
  async function call(verb: string, { type, capabilities = {}, ...rest }: NetworkList['plugins'][number], { netns, capabilityArgs = {}, args }: ChainCall, prevResult: unknown): Promise<PluginOutput> {
    const runtimeConfig = Object.fromEntries(Object.entries(capabilityArgs).filter(([capability]) => capabilities[capability] === true))
    return await inNode(node, [type], {
      CNI_COMMAND: verb, CNI_CONTAINERID: containerIdOf(netns), CNI_NETNS: netns, CNI_IFNAME: 'eth0', CNI_PATH: pluginPath(node), ...args === undefined ? {} : { CNI_ARGS: args },
    }, JSON.stringify({ ...rest, type, name, cniVersion, runtimeConfig, prevResult }))
  }
  return {
    async add(each) {
      let last: PluginOutput | undefined
      for (const plugin of plugins) {
        last = await call('ADD', plugin, each, last && JSON.parse(last.stdout))
        if (last.exitCode !== 0) return last
      }
      results.set(each.netns, JSON.parse(last!.stdout))
      return last!
    },
    check: (each) => firstFailure(plugins.map((plugin) => () => call('CHECK', plugin, each, results.get(each.netns)))),
    del: (each) => firstFailure(plugins.toReversed().map((plugin) => () => call('DEL', plugin, each, results.get(each.netns)))),
    containerIdOf,
  }
}

async function firstFailure(calls: readonly (() => Promise<PluginOutput>)[]): Promise<PluginOutput> {
  let output: PluginOutput | undefined
  for (const call of calls) {
    output = await call()
    if (output.exitCode !== 0) break
  }
  return output!
}

function pluginPath(node: ChainPlace): string {
  return `${join(node.folder, 'bin')}:${debianPlugins}`
}

/** Runs a program where a runtime of this node would be; `type` of a plugin is looked up along `CNI_PATH`. */
async function inNode(node: ChainPlace, command: readonly string[], environment: Readonly<Record<string, string>>, stdin?: string): Promise<PluginOutput> {
  const [lib, run] = ['var-lib', 'run'].map((name) => join(node.folder, name)) as [string, string]
  for (const folder of [lib, run]) await mkdir(folder, { recursive: true })
  const mounted = ['nsenter', `--net=${node.namespace.path}`, 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', `mount --bind ${lib} /var/lib && mount --bind ${run} /run && exec "$@"`, 'sh']
  return await runProgram([...mounted, ...command], { PATH: `${pluginPath(node)}:${process.env['PATH'] ?? ''}`, ...environment }, stdin)
}
