import { parsePodUid, type PodUid } from '@weft/api'
import { readFile } from 'node:fs/promises'
import { type Allocator, type AttachmentRecord, gatewayOf, IpamError, keyText, rangeContains, type RangeSet } from '@weft/allocator'
import type { Logger } from '@weft/daemon'
import { messageOf } from '@weft/daemon/message-of'
import { formatIp, type IpAddress } from '@weft/ip'
import { type AttachmentRequest, closeAll, CniError, type CniResult, type PluginVerbs, type ResultDns } from '@weft/plugin'
import { type IpamNetwork, parseRequested, readIpamNetwork } from './ipam-network.ts'
import { parseResolvConf } from './resolv-conf.ts'

type Request = AttachmentRequest<IpamNetwork>

export interface IpamVerbsDeps {
  readonly allocator: Allocator
  /** Of networks that name none. */
  readonly ranges: readonly RangeSet[]
  readonly logger: Logger
}

/** The verbs of the IPAM plugin: an attachment is its addresses and nothing else. */
export function ipamVerbs({ allocator, ranges: ownRanges, logger }: IpamVerbsDeps): PluginVerbs<IpamNetwork> {
  return {
    readConfig(base) {
      const network = readIpamNetwork(base)
      if (network.ranges.length > 0) return network
      if (ownRanges.length === 0) throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${base.name}": it names no ranges and the service has none, wanted ipam.ranges`)
      return { ...network, ranges: ownRanges }
    },

    async add(request, fds, signal) {
      closeAll(fds)
      const { containerId, ifname, netns, args, base, config } = request
      const known = allocator.find(request)
      // Of an ADD whose answer nobody got; one that was answered is refused below (IPAM-5).
      if (known !== undefined && known.state !== 'attached') await free(request)
      const requested = args.IP === undefined ? config.ips : args.IP.split(',').map(readArgument)
      try {
        const { addresses, committed } = await allocator.allocate({
          containerId, ifname, netns, hostIfname: '', requested, data: JSON.stringify({ network: base.name }),
          pod: { namespace: args.K8S_POD_NAMESPACE ?? '', name: args.K8S_POD_NAME ?? '', uid: podUidOf(args) },
          ranges: config.ranges, families: config.ranges.map(([range]) => range!.subnet.family),
        }, { signal })
        await committed
        return await resultOf(request, addresses)
      } catch (error) {
        throw inWordsOfCni(error)
      }
    },

    answered({ containerId, ifname }) {
      allocator.confirm({ containerId, ifname }).catch((error: unknown) => logger.warn({ error: messageOf(error), containerId }, 'attachment not confirmed'))
    },

    async check(request, fds) {
      closeAll(fds)
      const { base: { prevResult } } = request
      const held = allocator.find(request)
      if (held === undefined || held.state === 'releasing') throw new CniError('ERR_CNI_CHECK', `Cannot confirm addresses of "${keyText(request)}": none are reserved, wanted those of ADD`)
      const told = new Set(prevResult?.ips.map(({ address }) => address.split('/', 1)[0]))
      const missing = prevResult === undefined ? [] : held.ips.map(formatIp).filter((ip) => !told.has(ip))
      if (missing.length > 0) throw new CniError('ERR_CNI_CHECK', `Cannot confirm addresses of "${keyText(request)}": ${missing.join(', ')} reserved but not in prevResult`)
    },

    del: free,

    async gc({ name, validAttachments }) {
      if (validAttachments === undefined) return logger.warn({ network: name }, 'GC without a list of valid attachments: nothing is collected')
      const valid = new Set(validAttachments.map(keyText))
      const stale = allocator.attachments().filter((attachment) => networkOf(attachment) === name && !valid.has(keyText(attachment)))
      const results = await Promise.allSettled(stale.map(free))
      const errors = results.flatMap((result) => result.status === 'rejected' ? [result.reason as unknown] : [])
      if (errors.length > 0) throw new AggregateError(errors, `Cannot collect ${errors.length} of ${stale.length} attachments: ${messageOf(errors[0])}`)
    },

    // Ranges come with the network: what there is to say is said by ADD.
    status: () => undefined,
  }

  async function free(key: Parameters<Allocator['release']>[0]): Promise<void> {
    try {
      await allocator.beginRelease(key)
      await allocator.release(key)
    } catch (error) {
      throw inWordsOfCni(error)
    }
  }

  /** No interfaces: those are the delegating plugin's (IPAM-11). */
  async function resultOf({ config: { ranges, routes, resolvConf } }: Pick<Request, 'config'>, addresses: readonly IpAddress[]): Promise<CniResult> {
    const ips = addresses.map((address) => {
      const range = ranges.flat().find((candidate) => rangeContains(candidate, address))!
      return { address: `${formatIp(address)}/${range.subnet.prefix}`, gateway: formatIp(gatewayOf(range)) }
    })
    const dns: ResultDns | undefined = resolvConf === undefined || resolvConf === '' ? undefined : parseResolvConf(await readFile(resolvConf, 'utf8'))
    return { interfaces: [], ips, routes, ...dns === undefined ? {} : { dns } }
  }
}

function networkOf({ data }: AttachmentRecord): string {
  const { network }: { readonly network: string } = JSON.parse(data)
  return network
}

function podUidOf({ K8S_POD_UID: text = '' }: Request['args']): PodUid | undefined {
  try {
    return text === '' ? undefined : parsePodUid(text)
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS K8S_POD_UID "${text}": it is not the uid of a pod`, { cause: error })
  }
}

function readArgument(text: string): IpAddress {
  try {
    return parseRequested(text)
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `Cannot use CNI_ARGS IP "${text}": it is not an address`, { cause: error })
  }
}

function inWordsOfCni(error: unknown): unknown {
  return error instanceof IpamError ? new CniError(error.retryable ? 'ERR_CNI_TRY_AGAIN' : 'ERR_CNI_ADDRESS', error.message, { cause: error }) : error
}
