import { links } from '@weft/api'
import { formatIp } from '@weft/ip'
import { CniError } from '@weft/plugin'
import { findBridge } from '../bridge.ts'
import { parseData } from '../model.ts'
import type { PodRequest } from '../network-config.ts'
import { findSysctlDifferences } from '../pod-sysctls.ts'
import type { VerbContext } from '../verb-context.ts'
import { findDifferences } from '../wire.ts'

/**
 * Is everything that ADD made still there: reservation, interfaces, addresses, routes, host ports (CNI-37)?
 *
 * @throws {CniError} Naming every difference.
 */
export async function check({ ports, route, door, hostPorts, shaping }: VerbContext, request: PodRequest, fds: readonly number[]): Promise<void> {
  using pod = door.open(request, fds)
  const { containerId, ifname, netns, base: { prevResult }, config } = request
  if (prevResult === undefined) throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot check "${ifname}": the configuration has no prevResult, wanted the result of ADD`)
  const attachment = ports.address.find({ containerId, ifname })
  if (attachment === undefined || attachment.state === 'releasing') throw new CniError('ERR_CNI_CHECK', `Cannot confirm attachment "${containerId}/${ifname}": it is unknown on this node, wanted one that ADD made`)
  const data = parseData(attachment.data)
  const bridge = data.bridged ? findBridge(route) : undefined
  const told = new Set(prevResult.ips.map(({ address }) => address.split('/', 1)[0]))
  const shown = prevResult.interfaces.find(({ name, sandbox }) => name === ifname && sandbox === netns)
  const differences = [
    ...shown === undefined ? [`interface ${ifname} is not in prevResult`] : [],
    ...attachment.ips.filter((ip) => !told.has(formatIp(ip))).map((ip) => `address ${formatIp(ip)} is reserved but not in prevResult`),
    ...data.bridged && bridge === undefined ? [`bridge ${links.bridge} is missing, or not as it was made`] : findDifferences(pod.route, route, { ...attachment, ...data, bandwidth: shaping ? data.bandwidth : undefined, bridge }),
    ...hostPorts.findDifferences(attachment),
    ...await findSysctlDifferences(pod.path, ifname, config.sysctls),
  ]
  if (differences.length > 0) throw new CniError('ERR_CNI_CHECK', `Cannot confirm attachment "${containerId}/${ifname}": ${differences.join('; ')}`)
}
