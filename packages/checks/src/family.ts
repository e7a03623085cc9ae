import type { CheckContext } from './check.ts'

/**
 * Proves a promise for each address family of the cluster, side by side.
 *
 * @returns The evidence of all of them.
 */
export async function eachFamily(context: CheckContext, prove: (family: 4 | 6) => Promise<string>): Promise<string> {
  return (await Promise.all(context.cluster.families.map(prove))).join('; ')
}
