import { KubeError } from './errors.ts'

/**
 * Checks server addresses and reduces them to `scheme://host:port`.
 *
 * @throws {KubeError} `ERR_KUBE_CONFIG` when one is something else.
 */
export function originsOf(addresses: readonly string[]): readonly string[] {
  return addresses.map(originOf)
}

function originOf(address: string): string {
  if (!URL.canParse(address)) throw new KubeError('ERR_KUBE_CONFIG', `Cannot use server "${address}": it is no URL, want https://host:port`)
  const url = new URL(address)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new KubeError('ERR_KUBE_CONFIG', `Cannot use server "${address}": its scheme is ${url.protocol}, want https:`)
  if (url.pathname !== '/' || url.search !== '') throw new KubeError('ERR_KUBE_CONFIG', `Cannot use server "${address}": it has a path, want https://host:port`)
  return url.origin
}
