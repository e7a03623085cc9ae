import type { DataTypeName } from './data-type.ts'

type Pairs = readonly (readonly [word: string, number: number])[]

const icmpTypes: Pairs = [
  ['echo-reply', 0], ['destination-unreachable', 3], ['source-quench', 4], ['redirect', 5], ['echo-request', 8], ['router-advertisement', 9],
  ['router-solicitation', 10], ['time-exceeded', 11], ['parameter-problem', 12], ['timestamp-request', 13], ['timestamp-reply', 14],
  ['info-request', 15], ['info-reply', 16], ['address-mask-request', 17], ['address-mask-reply', 18],
]
const icmpv6Types: Pairs = [
  ['destination-unreachable', 1], ['packet-too-big', 2], ['time-exceeded', 3], ['parameter-problem', 4], ['echo-request', 128], ['echo-reply', 129],
  ['mld-listener-query', 130], ['mld-listener-report', 131], ['mld-listener-done', 132], ['nd-router-solicit', 133], ['nd-router-advert', 134],
  ['nd-neighbor-solicit', 135], ['nd-neighbor-advert', 136], ['nd-redirect', 137], ['router-renumbering', 138], ['ind-neighbor-solicit', 141],
  ['ind-neighbor-advert', 142], ['mld2-listener-report', 143],
]

/** Words nft prints for numbers of a type; the first word for a number is the one printed. */
export const symbolTables: Partial<Record<DataTypeName, Pairs>> = {
  nf_proto: [['ipv4', 2], ['ipv6', 10]],
  ether_type: [['ip', 0x0800], ['arp', 0x0806], ['ip6', 0x86dd], ['8021q', 0x8100], ['8021ad', 0x88a8], ['vlan', 0x8100]],
  // nft prints /etc/protocols' names.
  inet_proto: [
    ['ip', 0], ['icmp', 1], ['igmp', 2], ['tcp', 6], ['udp', 17], ['dccp', 33], ['ipv6', 41], ['gre', 47], ['esp', 50], ['ah', 51],
    ['ipv6-icmp', 58], ['icmpv6', 58], ['sctp', 132], ['udplite', 136],
  ],
  icmp_type: icmpTypes,
  icmpv6_type: icmpv6Types,
  icmp_code: [['net-unreachable', 0], ['host-unreachable', 1], ['prot-unreachable', 2], ['port-unreachable', 3], ['frag-needed', 4], ['net-prohibited', 9], ['host-prohibited', 10], ['admin-prohibited', 13]],
  icmpv6_code: [['no-route', 0], ['admin-prohibited', 1], ['addr-unreachable', 3], ['port-unreachable', 4], ['policy-fail', 5], ['reject-route', 6]],
  tcp_flag: [['fin', 1], ['syn', 2], ['rst', 4], ['psh', 8], ['ack', 16], ['urg', 32], ['ecn', 64], ['cwr', 128]],
  ct_state: [['invalid', 1], ['established', 2], ['related', 4], ['new', 8], ['untracked', 64]],
  ct_dir: [['original', 0], ['reply', 1]],
  ct_status: [['expected', 1], ['seen-reply', 2], ['assured', 4], ['confirmed', 8], ['snat', 16], ['dnat', 32], ['dying', 512]],
  pkt_type: [['host', 0], ['unicast', 0], ['broadcast', 1], ['multicast', 2], ['other', 3]],
  fib_addrtype: [
    ['unspec', 0], ['unicast', 1], ['local', 2], ['broadcast', 3], ['anycast', 4], ['multicast', 5], ['blackhole', 6], ['unreachable', 7], ['prohibit', 8],
  ],
  boolean: [['exists', 1], ['missing', 0]],
}
