import { CniError } from '../cni-error.ts'
import type { CniPorts } from '../ports.ts'

/**
 * Can this node attach pods (CNI-39)?
 *
 * @throws {CniError} Code 50 with the reasons.
 */
export function status({ address, cover }: CniPorts): void {
  const reasons = [
    ...address.ready ? [] : ['this node has no address range yet'],
    ...cover.ready ? [] : ['network policies are not in the kernel yet'],
  ]
  if (reasons.length > 0) throw new CniError('ERR_CNI_NOT_AVAILABLE', `Cannot attach pods: ${reasons.join(', ')}`)
}
