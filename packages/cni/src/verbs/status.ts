import { tables } from '@weft/api'
import { CniError } from '@weft/plugin'
import { whyNoBridge } from '../bridge.ts'
import type { VerbContext } from '../verb-context.ts'

/**
 * Can this node attach pods (CNI-39)?
 *
 * @throws {CniError} Code 50 with the reasons; 51 if the pods that are there suffer too.
 */
export function status({ config, ports: { address, cover, trouble }, hostPorts, sysctlFolder }: Pick<VerbContext, 'config' | 'ports' | 'hostPorts' | 'sysctlFolder'>): void {
  const { fault } = hostPorts
  const noBridge = config.mode === 'bridge' ? whyNoBridge(sysctlFolder) : undefined
  const other = trouble?.()
  const reasons = [
    ...address.ready ? [] : [address.trouble ?? 'this node has no address range yet'],
    ...other === undefined ? [] : [other],
    ...cover.ready ? [] : ['network policies are not in the kernel yet'],
    ...noBridge === undefined ? [] : [noBridge],
    ...fault === undefined ? [] : [`table ${tables.cni} cannot be mended (${fault}), so host ports may lead nowhere`],
  ]
  if (reasons.length > 0) throw new CniError(fault === undefined ? 'ERR_CNI_NOT_AVAILABLE' : 'ERR_CNI_DEGRADED', `Cannot attach pods: ${reasons.join('; ')}`)
}
