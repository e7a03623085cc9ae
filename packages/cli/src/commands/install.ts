import { type CheckResult, checks, type ClusterOptions, connectCluster, deleteDemo, DemoError, deployDemo, openInstalled, type RealCluster, runChecks, runCommand } from '@weft/checks'
import { realClock } from '@weft/daemon'
import { type ClusterFacts, describeHealth, describeNotices, type Finding, install as installOn, isHealthy, isWrongArchitecture, type PreflightReport, readHealth } from '@weft/install'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { formatChecks, formatHeld } from '../check-table.ts'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { formatTable, paint, Progress } from '../terminal.ts'

export interface InstallCommandOptions extends ClusterOptions {
  readonly image?: string | undefined
  /** A file of values, as the chart's. */
  readonly values?: string | undefined
  readonly load?: string | undefined
  readonly replaceKubeProxy?: boolean | undefined
  readonly force?: boolean | undefined
  readonly verify: boolean
  readonly json?: boolean | undefined
}

/** How long nodes have to be Ready, and pods of the demo after that, in milliseconds. */
const timeoutMs = 180_000

/** Brings the network up on a real cluster and proves it. Exit code 0 only when every promise that can be tried there holds. */
export async function install(options: InstallCommandOptions): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  const { image, values, load, replaceKubeProxy = false, force = false, verify, json = false } = options
  const start = performance.now()
  const progress = new Progress({ json })
  const signal = untilInterrupted()
  await using real = await connectCluster(options)
  if (load !== undefined) await loadImage(real, load, progress)
  const { facts, health, replaced } = await installOn(real.kube, {
    image, replaceKubeProxy, force, signal, timeoutMs, clock: realClock,
    values: values === undefined ? {} : parse(await readFile(values, 'utf8')) as Record<string, unknown>,
    onFacts: (each) => print(json, progress, formatFacts(each)),
    onPreflight: (reports) => print(json, progress, formatPreflight(reports)),
    onProgress: (message) => progress.say(message),
  })
  const upMs = Math.round(performance.now() - start)
  const results = verify ? await prove(real, progress, signal) : []
  const notices = describeNotices(health)
  progress.done()
  const greenMs = Math.round(performance.now() - start)
  const good = results.every(({ ok }) => ok)
  if (json) process.stdout.write(`${JSON.stringify({ facts: factsForJson(facts), nodes: health, replaced, notices, up_ms: upMs, green_ms: greenMs, checks: results.map(({ name, ok, tried, evidence }) => ({ name, ok, tried, evidence })) })}\n`)
  else process.stdout.write([
    ...results.length > 0 ? [formatChecks(results), ''] : [],
    `Weft is up on ${health.length} nodes after ${(upMs / 1000).toFixed(1)} s${verify ? `; ${formatHeld(results)}, proved after ${(greenMs / 1000).toFixed(1)} s` : ''}`,
    ...notices.map((notice) => `${paint('yellow', 'warn')} ${notice}`),
    ...replaced.length > 0 ? [`${replaced.join(' and ')} rest; \`weft uninstall\` gives them back`] : [],
    ...good ? [] : ['What does not hold is above, with what was seen; `weft sysdump` collects what a report needs'],
    '',
  ].join('\n'))
  return good ? 0 : 1
}

/** Proves the promises with a demo application, which goes again. */
async function prove(real: RealCluster, progress: Progress, signal: AbortSignal): Promise<readonly CheckResult[]> {
  await using cluster = await openInstalled(real)
  let done = 0
  try {
    // One that was there before has no network: nothing of it would ever be Ready.
    await deleteDemo(cluster)
    await deployDemo(cluster, { signal, timeoutMs, onProgress: (ready, wanted) => progress.say(`demo: ${ready} of ${wanted} pods are Ready`) })
    return await runChecks(cluster, { signal, onResult: () => progress.say(`proving: ${(done += 1)} of ${checks.length} promises looked at`) })
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    // Pods tell only that they wait; why stands with their node.
    const ill = (await readHealth(real.kube, { signal })).filter((node) => !isHealthy(node))
    throw new Error([error.message, ...ill.map(describeHealth)].join('; '), { cause: error })
  } finally {
    progress.say('taking the demo away')
    await deleteDemo(cluster)
  }
}

async function loadImage({ machines }: RealCluster, archive: string, progress: Progress): Promise<void> {
  if (machines?.load === undefined) throw new Error('Cannot load image: nothing tells how this cluster takes image archives; load it yourself and leave --load away')
  progress.say(`loading ${archive}`)
  const { code, stderr } = await runCommand([...machines.load, archive])
  const said = stderr.trim()
  if (code !== 0) throw new Error(`Cannot load image "${archive}": ${said}${isWrongArchitecture(said) ? '; it is not for the architecture of these nodes: build it for that (weft image build --platform linux/ARCHITECTURE)' : ''}`)
}

function print(json: boolean, progress: Progress, text: string): void {
  if (json) return
  progress.done()
  process.stdout.write(`${text}\n\n`)
}

/** Without what it was found out from: the ranges are parsed values there, and their text is among the rest. */
export function factsForJson(facts: ClusterFacts): object {
  const { ranges: _, ...told } = facts
  return told
}

function formatFacts({ version, distribution, nodes, families, serviceCidrs, apiServers, dns, kubeProxy, coreDns }: ClusterFacts): string {
  return formatTable(['cluster', ''], [
    ['distribution', `${distribution} ${version}`],
    ['nodes', nodes.join(', ')],
    ['families', families.map((family) => `IPv${family}`).join(', ')],
    ['services', serviceCidrs.join(', ') || 'ranges unknown'],
    ['API servers', apiServers.join(', ')],
    ['DNS', `${dns.addresses.join(', ')} for ${dns.zone}`],
    ['kube-proxy', kubeProxy ? 'there' : 'none'],
    ['CoreDNS', coreDns ? 'there' : 'none'],
  ])
}

export function formatPreflight(reports: readonly PreflightReport[]): string {
  const mark = ({ level }: Finding): string => (level === 'ok' ? paint('green', 'ok') : level === 'warn' ? paint('yellow', 'warn') : paint('red', 'FAIL'))
  return formatTable(['', 'where', 'what', 'found', 'remedy'], reports.flatMap(({ where, findings }) => findings.map((finding) => [mark(finding), where, finding.name, finding.detail, finding.remedy ?? ''])))
}
