import type { Pod } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'

/** Which pods policies protect an address belongs to: none on host networks, and none that ended. */
export class PodIndex {
  readonly #pods = new Map<string, Pod[]>()

  constructor(pods: Iterable<Pod>) {
    for (const pod of pods) {
      if (pod.hostNetwork || pod.finished) continue
      for (const ip of pod.ips) this.#pods.getOrInsertComputed(formatIp(ip), () => []).push(pod)
    }
  }

  /** Nearly always one. Of two that claim an address, one that is being deleted has none. */
  at(ip: IpAddress): readonly Pod[] {
    const found = this.#pods.get(formatIp(ip)) ?? []
    if (found.length < 2) return found
    const staying = found.filter(({ deleting }) => !deleting)
    return staying.length === 0 ? found : staying
  }
}
