import { CniError } from '@weft/plugin'
import type { AttachmentKey } from '../ports.ts'
import type { VerbContext } from '../verb-context.ts'
import { linkIdentity } from '../link-name.ts'
import { addressError } from './add.ts'

/**
 * Detaches a pod; succeeds whatever is missing (CNI-34). When it is answered the host ports are gone and it is on disk
 * that the rest goes: the link (the kernel takes some 40 ms), then the filter, then the addresses.
 */
export async function del({ hostPorts, teardown, logger }: VerbContext, { containerId, ifname }: AttachmentKey): Promise<void> {
  hostPorts.remove({ containerId, ifname })
  const { hostIfname } = linkIdentity(containerId, ifname)
  try {
    await teardown.remove({ containerId, ifname }, hostIfname)
  } catch (error) {
    const failure = addressError(error)
    if (!(failure instanceof CniError) || failure.code !== 'ERR_CNI_TRY_AGAIN') throw failure
    // A full disk must not keep pods from ending. The link goes; the addresses are collected once the disk can be written.
    logger.warn({ containerId, ifname, error: failure.message }, 'attachment is gone, and the store does not know it yet')
    teardown.removeLink(hostIfname)
  }
}
