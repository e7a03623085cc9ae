import { connectCluster, deployDemo, type OpenCluster, openInstalled } from '@weft/checks'

/** The cluster that `weft test e2e --cluster FILE` names, with the demo in it. */
export async function openDemoCluster(): Promise<OpenCluster> {
  const file = process.env['WEFT_CLUSTER']
  if (file === undefined) throw new Error('Cannot open cluster: WEFT_CLUSTER is not set; run `weft test e2e --cluster FILE`')
  const real = await connectCluster({ cluster: file })
  const cluster = await openInstalled(real)
  await deployDemo(cluster, { signal: AbortSignal.timeout(120_000), timeoutMs: 120_000 })
  return {
    ...cluster,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
  }
}
