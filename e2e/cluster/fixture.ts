import { type ClusterDescriptor, connectCluster, deployDemo, type OpenCluster, openInstalled } from '@weft/checks'

/** The cluster that `weft test e2e --cluster FILE` names, with the demo in it, and its machines as FILE tells them. */
export interface DemoCluster extends AsyncDisposable {
  readonly cluster: OpenCluster
  readonly machines: ClusterDescriptor | undefined
}

export async function openDemoCluster(): Promise<DemoCluster> {
  const file = process.env['WEFT_CLUSTER']
  if (file === undefined) throw new Error('Cannot open cluster: WEFT_CLUSTER is not set; run `weft test e2e --cluster FILE`')
  const real = await connectCluster({ cluster: file })
  const cluster = await openInstalled(real)
  await deployDemo(cluster, { signal: AbortSignal.timeout(120_000), timeoutMs: 120_000 })
  return {
    cluster,
    machines: real.machines,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
  }
}
