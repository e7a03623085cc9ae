import type { NodeName } from '@weft/api'
import type { Logger } from '@weft/daemon'
import type { EventRecorder } from '@weft/kube'
import { describeLeftovers, findLeftovers, type ForeignKernel, removeLeftovers } from './leftovers.ts'
import type { Proxy } from './proxy.ts'
import { nodeTarget } from './serve-health.ts'

interface TakeoverOptions {
  readonly nft: ForeignKernel
  readonly proxy: Pick<Proxy, 'settled' | 'whenReady'>
}

interface ReportOptions extends TakeoverOptions {
  readonly nodeName: NodeName
  readonly recorder: Pick<EventRecorder, 'record'>
  readonly logger: Logger
}

/** Tells once, when our own rules stand, what kube-proxy left on this node: it works beside ours, and goes on with what it knew last. */
export async function reportLeftovers({ nft, proxy, nodeName, recorder, logger }: ReportOptions, signal: AbortSignal): Promise<void> {
  await proxy.whenReady(signal).catch(() => undefined)
  if (signal.aborted) return
  const found = describeLeftovers(await findLeftovers(nft))
  if (found.length === 0) return
  logger.warn({ found }, 'kube-proxy left rules behind; `weft proxy takeover` removes them')
  recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'KubeProxyLeftovers', message: `kube-proxy left rules behind, which still act on packets; \`weft proxy takeover\` removes what it can: ${found.join('; ')}` })
}

/** Tells what kube-proxy left on this node, as text. */
export async function tellLeftovers({ nft }: Pick<TakeoverOptions, 'nft'>): Promise<string> {
  const lines = describeLeftovers(await findLeftovers(nft))
  return lines.length === 0 ? nothingLeft : `kube-proxy left here:\n${list(lines)}`
}

/**
 * Removes what kube-proxy left, once our own rules are in the kernel, and tells it as text. Nothing of other programs is touched, and
 * nothing of kube-proxy's that others refer to.
 */
export async function takeOver({ nft, proxy }: TakeoverOptions): Promise<string> {
  await proxy.settled()
  // Not before: rules have handles, and kube-proxy or another program may write them anew meanwhile.
  const found = await findLeftovers(nft)
  const lines = describeLeftovers(found)
  if (lines.length === 0) return nothingLeft
  removeLeftovers(nft, found)
  const rest = describeLeftovers(await findLeftovers(nft))
  const removed = lines.filter((line) => !rest.includes(line))
  return `removed:\n${list(removed)}${rest.length === 0 ? '' : `not removed:\n${list(rest)}`}`
}

const nothingLeft = 'kube-proxy left nothing here\n'

function list(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}\n`).join('')
}
