import { probeCapabilities } from '@weft/netlink'
import { formatTable, ok, paint } from '../terminal.ts'

/** What Weft cannot do without; everything else missing costs a feature, which the table names. */
const needed: ReadonlySet<string> = new Set(['veth', 'nf_tables inet', 'nft nat chain', 'nft route chain', 'nft numgen', 'nft fib', 'nft notrack', 'nft masq'])

/** What this kernel can do. Exit code 1 when something is missing that Weft cannot do without. */
export async function check({ json }: { readonly json: boolean }): Promise<number> {
  const capabilities = (await probeCapabilities()).map((each) => ({ ...each, needed: needed.has(each.name) }))
  const mark = (present: boolean | undefined, isNeeded: boolean): string => (present === undefined ? '?' : present || isNeeded ? ok(present) : paint('yellow', 'no'))
  if (json) process.stdout.write(`${JSON.stringify({ capabilities })}\n`)
  else process.stdout.write(`${formatTable(['', 'capability', 'since', 'without it'], capabilities.map((each) => [mark(each.present, each.needed), each.name, each.minimumKernel, each.present === true ? '' : each.without]))}\n`)
  return capabilities.every(({ present, needed: isNeeded }) => present !== false || !isNeeded) ? 0 : 1
}
