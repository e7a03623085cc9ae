/** In what form the client wants the answer. */
type Form = 'object' | 'table' | 'metadata'

/** What an Accept header asks for, first fitting entry first. */
export interface Accepted {
  readonly form: Form
  /** Aggregated discovery is understood. */
  readonly aggregatedDiscovery: boolean
}

/** Reads an Accept header. Forms this server does not know are passed over; JSON is the last resort. */
export function readAccept(header: string | undefined): Accepted {
  for (const entry of (header ?? '').split(',')) {
    const [type = '', ...rest] = entry.trim().split(';')
    const parameters = new Map(rest.map(part => part.trim().split('=')).map(([name = '', value = '']) => [name, value]))
    if (type !== 'application/json' && type !== '*/*') continue
    const as = parameters.get('as')
    if (as === 'Table' && parameters.get('g') === 'meta.k8s.io') return { form: 'table', aggregatedDiscovery: false }
    if (as === 'APIGroupDiscoveryList' && parameters.get('v') === 'v2') return { form: 'object', aggregatedDiscovery: true }
    if ((as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') && parameters.get('g') === 'meta.k8s.io') return { form: 'metadata', aggregatedDiscovery: false }
    if (as === undefined) break
  }
  return { form: 'object', aggregatedDiscovery: false }
}
