import { cleanNode, preflightNode, reachServers } from '@weft/install'
import { RouteSocket, warmThreadPool } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'

/** What `weft install` starts on each node before it changes anything: one JSON list of findings. */
export async function nodePreflight({ root, apiServer = [] }: { readonly root: string, readonly apiServer?: readonly string[] | undefined }): Promise<number> {
  await warmThreadPool()
  using route = await RouteSocket.open()
  using nft = await NftSocket.open()
  const findings = [...await preflightNode({ route, nft, root }), ...apiServer.length > 0 ? [await reachServers(apiServer)] : []]
  process.stdout.write(`${JSON.stringify(findings)}\n`)
  return 0
}

interface CleanOptions {
  readonly binDir: string
  readonly confDir: string
  readonly folder: readonly string[]
}

/** What `weft uninstall` starts on each node: removes everything of ours. Exit code 1 when something is left. */
export async function nodeClean({ binDir, confDir, folder }: CleanOptions): Promise<number> {
  using route = await RouteSocket.open()
  using nft = await NftSocket.open()
  const cleaned = await cleanNode({ route, nft, binDir, confDir, folders: folder })
  process.stdout.write(`${JSON.stringify(cleaned)}\n`)
  return cleaned.failed.length === 0 ? 0 : 1
}
