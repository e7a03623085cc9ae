/** Something that a kernel may be too old for, or be built without. */
export interface KernelFeature {
  /** First mainline version that has it, e.g. `5.8`. */
  readonly since: string
  /** What the kernel is to be built with, as it says in its `.config`. */
  readonly options: string
  /** What it may be built as. */
  readonly module?: string
}

/** What more than one part of Weft asks the kernel for, each in its own way: `probeCapabilities` for all of Weft, others for what their rules use. */
export const kernelFeatures: Readonly<Record<'nat' | 'numgen' | 'fib' | 'notrack' | 'reject' | 'sctp', KernelFeature>> = {
  nat: { since: '5.2', options: 'CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT', module: 'nft_nat' },
  numgen: { since: '4.9', options: 'CONFIG_NFT_NUMGEN', module: 'nft_numgen' },
  fib: { since: '4.10', options: 'CONFIG_NFT_FIB_INET', module: 'nft_fib_inet' },
  notrack: { since: '4.9', options: 'CONFIG_NFT_CT', module: 'nft_ct' },
  reject: { since: '5.9', options: 'CONFIG_NFT_REJECT_INET', module: 'nft_reject_inet' },
  sctp: { since: '4.19', options: 'CONFIG_NF_CT_PROTO_SCTP' },
}
