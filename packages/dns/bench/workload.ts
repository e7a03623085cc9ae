/** Names and addresses of the services in the benches: 5 namespaces for each 1000. */
export function serviceNames(count: number): readonly { readonly key: string, readonly name: string }[] {
  const namespaces = Math.max(1, Math.round(count / 200))
  return Array.from({ length: count }, (_, index) => {
    const [name, namespace] = [`service-${index}`, `team-${index % namespaces}`]
    return { key: `${namespace}/${name}`, name: `${name}.${namespace}.svc.cluster.local` }
  })
}

export function addressOf(index: number): string {
  return `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
}
