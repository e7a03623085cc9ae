import { probeCapabilities } from '@weft/netlink'
import { featureModes, neededCapabilities } from '../feature-modes.ts'
import { inNamespaces } from '../in-namespaces.ts'
import { formatTable, ok, paint } from '../terminal.ts'

/** What this kernel can do, and what each feature makes of it. Exit code 1 when something is missing that Weft cannot do without. */
export async function check({ json }: { readonly json: boolean }): Promise<number> {
  const probed = await probeCapabilities()
  // Without rights the kernel says nothing of what is needed most.
  const elsewhere = probed.every(({ name, present }) => !neededCapabilities.has(name) || present === undefined) ? await inNamespaces() : undefined
  if (elsewhere !== undefined) return elsewhere
  const capabilities = probed.map((each) => ({ ...each, needed: neededCapabilities.has(each.name) }))
  const features = featureModes(capabilities)
  const mark = (present: boolean | undefined, isNeeded: boolean): string => (present === undefined ? '?' : present || isNeeded ? ok(present) : paint('yellow', 'no'))
  const colours = { full: 'green', reduced: 'yellow', unknown: 'yellow', refused: 'red' } as const
  if (json) process.stdout.write(`${JSON.stringify({ capabilities, features })}\n`)
  else {
    process.stdout.write([
      formatTable(['', 'capability', 'since', 'without it'], capabilities.map((each) => [mark(each.present, each.needed), each.name, each.since, each.present === true ? '' : each.without])),
      '',
      formatTable(['feature', '', 'because'], features.map(({ feature, mode, reasons }) => [feature, paint(colours[mode], mode), reasons.join('; ')])),
      '',
    ].join('\n'))
  }
  return features.every(({ feature, mode }) => mode !== 'refused' || feature === 'sandbox') ? 0 : 1
}
