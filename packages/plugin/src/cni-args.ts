import { CniError } from './cni-error.ts'

/** Keys of `CNI_ARGS` that are used; Kubernetes runtimes send the first five. */
const known = ['IgnoreUnknown', 'K8S_POD_NAMESPACE', 'K8S_POD_NAME', 'K8S_POD_INFRA_CONTAINER_ID', 'K8S_POD_UID', 'IP', 'MAC'] as const
type CniArg = (typeof known)[number]
export type CniArgs = Readonly<Partial<Record<CniArg, string>>>

/**
 * Reads `K=V;K=V` (CNI-7).
 *
 * @throws {CniError} Code 4 at a pair without `=`, and at unknown keys unless `IgnoreUnknown` is set.
 */
export function parseCniArgs(text: string): CniArgs {
  const args: Partial<Record<CniArg, string>> = {}
  const unknown: string[] = []
  for (const pair of text.split(';')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    if (equals <= 0) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS "${text}": invalid pair "${pair}", wanted KEY=VALUE`)
    const word = pair.slice(0, equals)
    const key = known.find((name) => name === word)
    if (key === undefined) unknown.push(word)
    else args[key] = pair.slice(equals + 1)
  }
  if (unknown.length > 0 && !/^(1|true|t)$/i.test(args.IgnoreUnknown ?? ''))
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS "${text}": unknown args ${JSON.stringify(unknown)}, wanted IgnoreUnknown=1 beside them`)
  return args
}
