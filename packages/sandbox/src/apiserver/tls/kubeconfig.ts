import { chmodSync, writeFileSync } from 'node:fs'

/** What a kubeconfig says. */
export interface KubeconfigContents {
  /** E.g. `https://127.0.0.1:6443`. */
  readonly server: string
  /** PEM. */
  readonly ca: string
  readonly token: string
  /** Name of cluster, user and context. */
  readonly name: string
}

/** A kubeconfig with one context, as JSON, which is YAML too. */
function formatKubeconfig({ server, ca, token, name }: KubeconfigContents): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  }
  return `${JSON.stringify(config, undefined, 2)}\n`
}

/** Writes a kubeconfig that only its owner can read. */
export function writeKubeconfig(path: string, contents: KubeconfigContents): void {
  writeFileSync(path, formatKubeconfig(contents), { mode: 0o600 })
  chmodSync(path, 0o600)
}
