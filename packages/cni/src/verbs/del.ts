import type { AttachmentKey } from '../ports.ts'
import type { VerbContext } from '../verb-context.ts'
import { linkIdentity } from '../link-name.ts'
import { addressError } from './add.ts'

/**
 * Detaches a pod; succeeds whatever is missing (CNI-34). When it is answered the host ports are gone and it is on disk
 * that the rest goes: the link (the kernel takes some 40 ms), then the filter, then the addresses.
 */
export async function del({ hostPorts, teardown }: VerbContext, { containerId, ifname }: AttachmentKey): Promise<void> {
  hostPorts.remove({ containerId, ifname })
  try {
    await teardown.remove({ containerId, ifname }, linkIdentity(containerId, ifname).hostIfname)
  } catch (error) {
    throw addressError(error)
  }
}
