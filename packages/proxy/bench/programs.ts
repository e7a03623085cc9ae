// The two programs that are measured side by side: ours, as it is shipped, and kube-proxy itself.
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { TableName } from '@weft/nftables'

/** A program that follows an API server on this namespace's loopback. */
export interface ProxyProgram {
  readonly command: readonly string[]
  readonly table: TableName
}

const root = join(import.meta.dirname, '../../..')
/** Bundled where `./weft` has built programs, as `./weft bench` sees to. */
const bundle = join(root, '.weft/programs/current/weft-proxy.js')
const here = { address: '127.0.0.1' }

/** @param server Address of the API server. @param folder For files. */
export function ourProgram(server: string, folder: string): ProxyProgram {
  for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'bench')
  const config = join(folder, 'proxy.yaml')
  writeFileSync(config, JSON.stringify({ nodeName: 'here', logLevel: 'warn', adminSocket: join(folder, 'proxy.sock'), kube: { servers: [server], credentialsFolder: folder }, proxy: { healthz: here, metrics: here, conntrack: 'leave' } }))
  // As the manifest starts it.
  const node = [process.execPath, '--max-semi-space-size=1']
  const command = existsSync(bundle) ? [...node, bundle] : [...node, '--conditions=dev', join(import.meta.dirname, '../src/main.ts')]
  return { command: [...command, '--config', config], table: { family: 'inet', name: 'weft-proxy' } }
}

/** What ours ran from. */
export const ourKind: string = existsSync(bundle) ? 'bundled' : 'from sources'

/** Where kube-proxy is looked for: `WEFT_KUBE_PROXY`, then where a Kubernetes that was built on this machine has it. */
function findKubeProxy(): string | undefined {
  return [process.env['WEFT_KUBE_PROXY'] ?? '', join(homedir(), '.cache/weft-kubernetes/bin/kube-proxy'), '/usr/local/bin/kube-proxy'].find((path) => path !== '' && existsSync(path))
}

/** Its name, version and how it was built; undefined where it is not at hand. */
export function kubeProxyName(): string | undefined {
  const path = findKubeProxy()
  if (path === undefined) return undefined
  const version = execFileSync(path, ['--version'], { encoding: 'utf8' }).trim().replace('Kubernetes ', '')
  return `kube-proxy ${version}, nftables mode (${path.includes('weft-kubernetes') ? 'built with `go build -trimpath` from the Go modules of that release' : path})`
}

/** kube-proxy in its nftables mode, as kubeadm configures it. */
export function kubeProxyProgram(server: string, folder: string): ProxyProgram {
  const kubeconfig = join(folder, 'kubeconfig')
  const named = { name: 'bench' }
  writeFileSync(kubeconfig, JSON.stringify({
    'apiVersion': 'v1', 'kind': 'Config', 'clusters': [{ ...named, cluster: { server } }], 'users': [{ ...named, user: {} }], 'contexts': [{ ...named, context: { cluster: 'bench', user: 'bench' } }], 'current-context': 'bench',
  }))
  const config = join(folder, 'kube-proxy.yaml')
  writeFileSync(config, JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode: 'nftables', hostnameOverride: 'here',
    clientConnection: { kubeconfig, contentType: 'application/json', acceptContentTypes: 'application/json' },
    clusterCIDR: '10.244.0.0/16', conntrack: { maxPerCore: 0, min: 0 },
  }))
  return { command: [findKubeProxy()!, '--config', config], table: { family: 'ip', name: 'kube-proxy' } }
}
