import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/**
 * Prints what a program of this node answers on its admin socket: how other machines ask it, through `kubectl exec`.
 * Exit code 1 when it answers with an error.
 */
export async function admin(path: string, { socket }: { readonly socket: string }): Promise<number> {
  const { status, body } = await new Promise<{ readonly status: number, readonly body: string }>((resolve, reject) => {
    request({ socketPath: socket, path, host: 'admin', timeout: 10_000 }, (answer) => {
      text(answer).then((content) => resolve({ status: answer.statusCode ?? 0, body: content }), reject)
    }).once('error', (cause) => reject(new Error(`Cannot ask "${socket}": no program answers there`, { cause }))).end()
  })
  const good = status >= 200 && status < 300
  ;(good ? process.stdout : process.stderr).write(body)
  return good ? 0 : 1
}
