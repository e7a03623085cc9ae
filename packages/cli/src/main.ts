import { Argument, Command, Option } from 'commander'
import type { ClusterOptions } from '@weft/checks'
import type { BuildImageOptions } from './commands/image.ts'
import type { DumpedFeature } from './commands/dump.ts'
import type { InstallCommandOptions } from './commands/install.ts'
import { reportFailure } from './failure.ts'
import { version } from './version.ts'

/** Every command is loaded when it is asked for: `weft exec` must not wait for the code of `weft test`. */
const program = new Command('weft')
  .description('Whole-cluster Kubernetes network: sandbox, status, checks, tests and benches')
  .version(version)
  .showHelpAfterError('(run `weft --help` for the commands)')

const json = (): Option => new Option('--json', 'print one JSON object on the last line')

program.command('up')
  .description('start a cluster in namespaces of this machine, run its network and a demo, and prove that traffic flows')
  .option('--nodes <n>', 'number of nodes, 2 to 9; those of the kept cluster, or 3, by default')
  .addOption(new Option('--family <family>', 'address families; those of the kept cluster, or ipv4, by default').choices(['ipv4', 'ipv6', 'dual']))
  .addOption(json())
  .action(async (options: { nodes?: string, family?: 'ipv4' | 'ipv6' | 'dual', json?: boolean }) => {
    const { up } = await import('./commands/up.ts')
    await run(up({ ...options, json: options.json ?? false }))
  })

program.command('down')
  .description('stop the cluster; nothing is left of it')
  .option('--keep', 'keep its objects: the next `up` goes on with them')
  .addOption(json())
  .action(async (options: { keep?: boolean, json?: boolean }) => run((await import('./commands/down.ts')).down({ keep: options.keep ?? false, json: options.json ?? false })))

/** Which real cluster a command is about. */
const onCluster = (command: Command): Command => command
  .option('--kubeconfig <file>', 'how the cluster is reached; $KUBECONFIG or ~/.kube/config by default')
  .option('--context <name>', 'of the kubeconfig')
  .option('--cluster <file>', 'a cluster descriptor instead, or `kind:NAME`')

onCluster(program.command('install'))
  .description('bring the network up on a real cluster: preflight, apply, wait, prove')
  .option('--image <name>', 'repository and tag; that of this version by default')
  .option('--load <archive>', 'load this image archive on every node first (with --cluster)')
  .option('--values <file>', "values of the chart, over what the cluster tells of itself")
  .option('--replace-kube-proxy', 'put kube-proxy and CoreDNS to rest once Weft does their work')
  .option('--force', 'install although preflight found what fails')
  .option('--no-verify', 'do not prove the promises afterwards')
  .addOption(json())
  .action(async (options: InstallCommandOptions) => run((await import('./commands/install.ts')).install(options)))

onCluster(program.command('uninstall'))
  .description('take Weft away from a real cluster; nothing of it is left on any node')
  .addOption(json())
  .action(async (options: ClusterOptions & { json?: boolean }) => run((await import('./commands/uninstall.ts')).uninstall(options)))

onCluster(program.command('upgrade'))
  .description('another version or configuration on a real cluster, one node after the other')
  .option('--image <name>', 'repository and tag; by default the repository of now, and the tag of this version')
  .option('--values <file>', 'values of the chart, over those that were given before; null takes one away')
  .addOption(json())
  .action(async (options: ClusterOptions & { image?: string, values?: string, json?: boolean }) => run((await import('./commands/upgrade.ts')).upgrade(options)))

onCluster(program.command('sysdump'))
  .description('one archive for a report of a fault: objects, logs, what agents want in their kernels; secrets redacted')
  .option('-o, --output <file>', 'the archive', 'weft-sysdump.tar.gz')
  .action(async (options: ClusterOptions & { output: string }) => run((await import('./commands/sysdump.ts')).sysdump(options)))

onCluster(program.command('status'))
  .description('nodes, agents and pods of the running sandbox, or of a real cluster when one is named')
  .addOption(json())
  .action(async (options: ClusterOptions & { json?: boolean }) => {
    const isReal = options.cluster !== undefined || options.kubeconfig !== undefined || options.context !== undefined
    await run(isReal ? (await import('./commands/cluster-status.ts')).clusterStatus(options) : (await import('./commands/status.ts')).status({ json: options.json ?? false }))
  })

program.command('exec')
  .description('run a command in a container of a pod')
  .argument('<pod>')
  .argument('<command...>', 'after --')
  .option('-n, --namespace <namespace>', 'namespace of the pod', 'default')
  .option('-c, --container <container>', 'container of the pod; the first one by default')
  .action(async (pod: string, command: string[], options: { namespace: string, container?: string }) =>
    run((await import('./commands/run.ts')).runAt({ kind: 'pod', namespace: options.namespace, name: pod, ...(options.container === undefined ? {} : { container: options.container }) }, command)))

program.command('node')
  .description("run a command in a node's network")
  .argument('<name>')
  .argument('<command...>', 'after --')
  .action(async (name: string, command: string[]) => run((await import('./commands/run.ts')).runAt({ kind: 'node', node: name }, command)))

program.command('outside')
  .description('run a command on a machine of the underlay that is no node')
  .argument('<command...>', 'after --')
  .action(async (command: string[]) => run((await import('./commands/run.ts')).runAt({ kind: 'outside' }, command)))

program.command('logs')
  .description('what a pod, or a program of a node (agent, dns) or the cluster (controller, init), printed')
  .argument('<name>', 'a pod, `agent/NODE`, `dns/NODE`, `controller` or `init`')
  .option('-n, --namespace <namespace>', 'namespace of the pod', 'default')
  .option('-c, --container <container>', 'container of the pod; the first one by default')
  .action(async (name: string, options: { namespace: string, container?: string }) => run((await import('./commands/logs.ts')).logs(name, options)))

program.command('check')
  .description('what this kernel can do, and what each feature makes of it')
  .addOption(json())
  .action(async (options: { json?: boolean }) => run((await import('./commands/check.ts')).check({ json: options.json ?? false })))

/** Which cluster a question is about: the sandbox unless another is named. */
const about = (command: Command): Command => onCluster(command).addHelpText('after', '\nWithout --cluster, --kubeconfig and --context it is about the sandbox of `weft up`.')

about(program.command('dump'))
  .description('what a feature wants in the kernel of a node, as nft text, routes or a zone file')
  .addArgument(new Argument('<feature>').choices(['proxy', 'policy', 'overlay', 'cni', 'dns']))
  .requiredOption('--node <name>', 'the node')
  .action(async (feature: DumpedFeature, options: ClusterOptions & { node: string }) => run((await import('./commands/dump.ts')).dump(feature, options)))

const proxy = program.command('proxy').description('the service proxy of a node')

about(proxy.command('explain'))
  .description('what happens to a new connection to an address and port, and why: as wanted, and as the kernel has it')
  .argument('<address:port>', 'e.g. 10.96.0.1:80 or [fd00::1]:80')
  .option('--from <client>', 'a pod (NAMESPACE/NAME), an address, or `node` for the node itself', 'node')
  .option('--protocol <protocol>', 'TCP, UDP or SCTP', 'TCP')
  .option('--node <name>', "the node that is asked; the pod's own by default, for other clients the first that is ready")
  .action(async (to: string, options: ClusterOptions & { from: string, protocol: string, node?: string }) => run((await import('./commands/explain-proxy.ts')).explainProxy(to, options)))

about(proxy.command('takeover'))
  .description('remove the rules that kube-proxy left on a node, after those of Weft are in place')
  .requiredOption('--node <name>', 'the node')
  .option('--dry-run', 'only tell what is there')
  .action(async (options: ClusterOptions & { node: string, dryRun?: boolean }) => run((await import('./commands/takeover-proxy.ts')).takeoverProxy({ ...options, dryRun: options.dryRun ?? false })))

const policy = program.command('policy').description('why a connection is open or closed, and who reaches whom')

const traffic = (command: Command): Command => about(command)
  .option('--port <port>', 'destination port, after Services were rewritten; without it ICMP')
  .addOption(new Option('--protocol <protocol>', 'TCP unless there is no port').choices(['tcp', 'udp', 'sctp', 'icmp']))
  .addOption(new Option('--family <family>', 'address family; the first that both ends have').choices(['4', '6']))
  .addOption(json())

traffic(policy.command('explain'))
  .description('the verdict, the rule that decided and those that were asked: by the policies and by the kernels of both nodes')
  .requiredOption('--from <end>', 'a pod `namespace/name`, a node, or an address')
  .requiredOption('--to <end>', 'a pod `namespace/name`, a node, or an address')
  .action(async (options: ClusterOptions & { from: string, to: string, protocol?: string, port?: string, family?: '4' | '6', json?: boolean }) =>
    run((await import('./commands/policy.ts')).explain({ ...options, json: options.json ?? false })))

traffic(policy.command('matrix'))
  .description('who reaches whom, by the policies: a table, JSON, or an SVG picture')
  .argument('[namespaces...]', 'all of them by default')
  .option('--svg <file>', 'draw it into this file as well')
  .action(async (namespaces: string[], options: ClusterOptions & { svg?: string, protocol?: string, port?: string, family?: '4' | '6', json?: boolean }) =>
    run((await import('./commands/policy.ts')).matrix({ namespaces, ...options, json: options.json ?? false })))

program.command('test')
  .description('run the tests of this repository')
  .argument('[stages...]', 'static, unit, kernel, e2e; all of them by default. With --cluster also conformance')
  .option('--cluster <file>', 'a real cluster, by its descriptor: runs `e2e` or `conformance` there')
  .option('--focus <expression>', 'which tests of a stage on a real cluster')
  .option('--binary <file>', "of `conformance`: Kubernetes' e2e.test, of the cluster's version; from PATH by default")
  .action(async (stages: string[], options: { cluster?: string, focus?: string, binary?: string }) => run((await import('./commands/test.ts')).test(stages, options)))

program.command('node-preflight')
  .description('looks at this machine: what Weft needs and what would get in its way; `weft install` runs it on every node')
  .option('--root <path>', "where the machine's own files are", '/')
  .option('--api-server <url...>', 'API servers that it must reach without Services')
  .action(async (options: { root: string, apiServer?: string[] }) => run((await import('./commands/node-local.ts')).nodePreflight(options)))

program.command('node-clean')
  .description('removes everything of ours from this machine: links, routes, rules, tables, files; `weft uninstall` runs it on every node')
  .option('--bin-dir <path>', 'folder of CNI plugins', '/opt/cni/bin')
  .option('--conf-dir <path>', 'folder of CNI networks', '/etc/cni/net.d')
  .option('--folder <path...>', 'folders to empty', ['/var/lib/cni/weft', '/run/weft'])
  .action(async (options: { binDir: string, confDir: string, folder: string[] }) => run((await import('./commands/node-local.ts')).nodeClean(options)))

program.command('admin')
  .description('what the agent of this node answers on its admin socket; for `kubectl exec`')
  .argument('<path>', 'e.g. /status, /readyz, /metrics, /dump/proxy')
  .option('--socket <path>', 'of another program: /run/weft/dns.sock, /run/weft/controller.sock', '/run/weft/admin.sock')
  .option('--post', 'ask it to do something, as `weft proxy takeover` does')
  .action(async (path: string, options: { socket: string, post?: boolean }) => run((await import('./commands/admin.ts')).admin(path, { ...options, post: options.post ?? false })))

program.command('bench')
  .description('measure against peers and physical limits, side by side in one run')
  .argument('[areas...]', 'all of them by default')
  .addOption(json())
  .action(async (areas: string[], options: { json?: boolean }) => run((await import('./commands/bench.ts')).bench(areas, { json: options.json ?? false })))

program.command('image')
  .description('the container image')
  .command('build')
  .description('write the image as one archive, without daemon and registry, for `ctr images import`, `kind load image-archive` and `docker load`')
  .option('-o, --output <file>', 'the archive', 'weft.tar')
  .addOption(new Option('--platform <platform>', 'for which machines').choices(['linux/amd64', 'linux/arm64']).default(process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'))
  .option('--name <name>', 'of the image, without tag', 'weft.dev/weft')
  .option('--tag <tag>', 'instead of the version')
  .option('--rootfs <folder>', 'write the content as a folder instead, for `docker build`')
  .addOption(json())
  .action(async (options: Omit<BuildImageOptions, 'json'> & { json?: boolean }) => run((await import('./commands/image.ts')).imageBuild({ ...options, json: options.json ?? false })))

/** Commands resolve to their exit code. */
async function run(command: Promise<number>): Promise<void> {
  process.exitCode = await command
}

try {
  await program.parseAsync()
} catch (error) {
  reportFailure(error)
  process.exitCode = 1
}
