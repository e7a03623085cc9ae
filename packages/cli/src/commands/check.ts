import { probeCapabilities } from '@weft/netlink'
import { formatTable, ok } from '../terminal.ts'

/** What this kernel can do. Exit code 1 when something is missing that Weft cannot do without. */
export async function check({ json }: { readonly json: boolean }): Promise<number> {
  const capabilities = await probeCapabilities()
  if (json) process.stdout.write(`${JSON.stringify({ capabilities })}\n`)
  else process.stdout.write(`${formatTable(['', 'capability', 'since', 'without it'], capabilities.map(({ name, present, minimumKernel, without }) => [present === undefined ? '?' : ok(present), name, minimumKernel, present === true ? '' : without]))}\n`)
  return 0
}
