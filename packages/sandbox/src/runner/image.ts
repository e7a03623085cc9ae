import type { Container } from './pod-object.ts'
import { expand } from './pod-environment.ts'

/** An image that the sandbox cannot run; the container waits with this reason. */
export class UnknownImage extends Error {
  override readonly name = 'ErrImageNeverPull'
}

/** How the probe program is started in a container; see rootfs.ts for what lies in `/.weft`. */
export const probeCommand: readonly string[] = ['/.weft/bin/node', '/.weft/probe/main.js']

/**
 * The command line of a container. There are no images: the probe's names stand for the probe, any other needs a command,
 * which is one of the machine's own programs.
 *
 * @throws {UnknownImage} When there is neither.
 */
export function commandOf(container: Container, environment: Readonly<Record<string, string>>): readonly string[] {
  const expanded = (words: readonly string[] | undefined): string[] => (words ?? []).map((word) => expand(word, environment))
  const command = expanded(container.command)
  const args = expanded(container.args)
  if (command.length > 0) return isProbe(container.image) && /^\/?(agnhost|weft-probe)$/.test(command[0]!) ? [...probeCommand, ...command.slice(1), ...args] : [...command, ...args]
  if (isProbe(container.image)) return [...probeCommand, ...(args.length > 0 ? args : ['pause'])]
  if (/(^|\/)pause(:|@|$)/.test(container.image)) return [...probeCommand, 'pause']
  throw new UnknownImage(`image "${container.image}" is not in the sandbox: it has weft.dev/probe and agnhost; any other needs a command of this machine`)
}

/** `weft.dev/probe…` and `…/agnhost:…`, with or without tag and digest. */
export function isProbe(image: string): boolean {
  return /^weft\.dev\/probe([-:@/].*)?$/.test(image) || /(^|\/)agnhost([:@].*)?$/.test(image)
}
