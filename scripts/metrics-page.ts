import { join } from 'node:path'
import { createRegistry } from '@weft/daemon'
import { cell, filesOf, generatedBy, root } from './workspace.ts'

/** A metric as a scrape shows it. */
export interface MetricEntry {
  /** Folder in `packages/`. */
  readonly package: string
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

/** What the functions that register metrics want beside the registry: questions asked at a scrape. */
const questions: Readonly<Record<string, readonly unknown[]>> = {
  createMetrics: [[], new Proxy({}, { get: () => () => 0 })],
  createCniMetrics: [() => 0],
  policyMetrics: [() => []],
  kubeProxyMetrics: [new Proxy({}, { get: () => () => 0 })],
}

interface RegisteredMetric {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
  readonly get: () => Promise<{ readonly type: string }>
}

/** Every metric that a `…metrics.ts` of a package registers. */
export async function metricEntries(): Promise<readonly MetricEntry[]> {
  const entries: MetricEntry[] = []
  for (const file of filesOf('packages/*/src/*metrics.ts')) {
    const module = await import(join(root, file)) as Readonly<Record<string, unknown>>
    const registry = createRegistry()
    for (const [name, register] of Object.entries(module)) {
      if (typeof register !== 'function') continue
      const made = register(registry, ...(questions[name] ?? [])) as { readonly watch?: (usage: () => readonly unknown[]) => void } | undefined
      made?.watch?.(() => [])
    }
    for (const metric of registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[]) {
      const { type } = await metric.get()
      entries.push({ package: file.split('/')[1]!, name: metric.name, type, labels: metric.labelNames ?? [], help: metric.help })
    }
  }
  return entries
}

/** `docs/reference/metrics.md`. */
export async function metricsPage(): Promise<string> {
  const entries = await metricEntries()
  const sections = [...Map.groupBy(entries, (entry) => entry.package)].map(([owner, own]) => [
    `## ${owner}`,
    '',
    '| metric | type | labels | help |',
    '|---|---|---|---|',
    ...own.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${cell(help)} |`),
  ].join('\n'))
  return `${generatedBy('generate-reference.ts', 'the registries of the packages')}
# Metrics

\`GET /metrics\` on the admin socket of a program, Prometheus text:
\`curl --unix-socket /run/weft/admin.sock http://admin/metrics\`. The DNS server serves them over TCP too when \`health\` is
set. Names are \`weft_<feature>_<noun>_<unit>\`; counters end in \`_total\`, times are seconds, gauges without a unit count
things. The agent adds the usual \`process_*\` and \`nodejs_*\`.

${sections.join('\n\n')}
`
}
