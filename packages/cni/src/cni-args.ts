import { CniError } from './cni-error.ts'

/** Keys of `CNI_ARGS` that are used; Kubernetes runtimes send the first five. */
const known = ['IgnoreUnknown', 'K8S_POD_NAMESPACE', 'K8S_POD_NAME', 'K8S_POD_INFRA_CONTAINER_ID', 'K8S_POD_UID', 'IP', 'MAC'] as const
export type CniArgs = Readonly<Partial<Record<(typeof known)[number], string>>>

/**
 * Reads `K=V;K=V` (CNI-7).
 *
 * @throws {CniError} Code 4 at a pair without `=`, and at unknown keys unless `IgnoreUnknown` is set.
 */
export function parseCniArgs(text: string): CniArgs {
  const args: Partial<Record<(typeof known)[number], string>> = {}
  const unknown: string[] = []
  for (const pair of text.split(';')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    if (equals <= 0) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS "${text}": invalid pair "${pair}", wanted KEY=VALUE`)
    const key = pair.slice(0, equals) as (typeof known)[number]
    if (known.includes(key)) args[key] = pair.slice(equals + 1)
    else unknown.push(key)
  }
  if (unknown.length > 0 && !/^(1|true|t)$/i.test(args.IgnoreUnknown ?? ''))
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS "${text}": unknown args ${JSON.stringify(unknown)}, wanted IgnoreUnknown=1 beside them`)
  return args
}
