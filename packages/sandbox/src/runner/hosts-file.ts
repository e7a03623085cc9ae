import { podHostname } from './pod-hostname.ts'
import type { PodObject } from './pod-object.ts'

/** /etc/hosts as the kubelet writes it. */
export function podHostsFile(pod: PodObject, { ips, domain, nodeText }: { readonly ips: readonly string[], readonly domain: string, readonly nodeText: string }): string {
  const { spec, metadata } = pod
  const aliases = (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  const added = aliases.length === 0 ? [] : ['', '# Entries added by HostAliases.', ...aliases]
  if (spec.hostNetwork === true) return [nodeText.trimEnd(), ...added, ''].join('\n')
  const name = podHostname(pod)
  const full = spec.subdomain === undefined || spec.subdomain === '' ? [] : [`${name}.${spec.subdomain}.${metadata.namespace}.svc.${domain}`]
  return [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => [ip, ...full, name].join('\t')),
    ...added,
    '',
  ].join('\n')
}
