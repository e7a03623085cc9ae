import { tables } from '@weft/api'
import { CniError } from '@weft/plugin'
import type { VerbContext } from '../verb-context.ts'

/**
 * Can this node attach pods (CNI-39)?
 *
 * @throws {CniError} Code 50 with the reasons; 51 if the pods that are there suffer too.
 */
export function status({ ports: { address, cover }, hostPorts }: Pick<VerbContext, 'ports' | 'hostPorts'>): void {
  const { fault } = hostPorts
  const reasons = [
    ...address.ready ? [] : ['this node has no address range yet'],
    ...cover.ready ? [] : ['network policies are not in the kernel yet'],
    ...fault === undefined ? [] : [`table ${tables.cni} cannot be mended (${fault}), so host ports may lead nowhere`],
  ]
  if (reasons.length > 0) throw new CniError(fault === undefined ? 'ERR_CNI_NOT_AVAILABLE' : 'ERR_CNI_DEGRADED', `Cannot attach pods: ${reasons.join(', ')}`)
}
