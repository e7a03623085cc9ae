import { askAdmin } from '@weft/daemon'

/** Prints what a program of this node answers on its admin socket: how other machines ask it, through `kubectl exec`. Exit code 1 when it refuses. */
export async function admin(path: string, { socket, post }: { readonly socket: string, readonly post: boolean }): Promise<number> {
  process.stdout.write(await askAdmin(socket, { method: post ? 'POST' : 'GET', path }))
  return 0
}
