import { cidrFrom, parseIp } from '@weft/ip'
import {
  accept, addTo, assign, baseChain, bitAnd, bitOr, bitXor, chain, comment, concat, continueOn, counter, countIn, ct, deleteFrom, dnat, drop, eq, ether, fib, ge, goTo, gt, hasAny, icmp, icmpv6,
  ip, ip6, isIn, jhash, jump, le, limit, log, lookup, lookupIn, lt, map, masquerade, meta, namedCounter, ne, noneOf, notIn, notrack, numgen, oneOf, range, redirect, reject,
  replaceBits, returnToCaller, rule, sctp, set, setMark, snat, type Table, table, tcp, th, typeOf, udp, updateIn, vmap, vmapOf,
} from '../src/index.ts'

const tcpOrUdp = oneOf(meta.l4proto, ['tcp', 'udp'])

function proxyTable(): Table {
  const service = map('service', {
    key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'],
    elements: [{ key: [parseIp('10.96.0.1'), 'tcp', 443], data: 3 }, { key: ['10.96.0.10', 'udp', 53], data: 0x102 }, { key: ['10.95.0.11', 17, 53], data: 2 }],
  })
  const service6 = map('service6', {
    key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: ['mark'],
    elements: [{ key: ['fd00:10:96::1', 'tcp', 443], data: 3 }, { key: [parseIp('fd00:10:96::a'), 'udp', 53], data: 2 }],
  })
  const endpoint = map('endpoint', {
    key: typeOf(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv4_addr', 'inet_service'],
    elements: [0, 1, 2].map((index) => ({ key: ['10.96.0.1', 'tcp', 443, index], data: [`10.244.0.${index + 1}`, 8443] })),
  })
  const endpoint6 = map('endpoint6', {
    key: typeOf(ip6.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv6_addr', 'inet_service'],
    elements: [{ key: ['fd00:10:96::1', 'tcp', 443, 0], data: ['fd00:10:244::5', 8443] }],
  })
  const balance = map('balance', { key: ['mark'], data: 'verdict', elements: [{ key: 1, data: goTo('lb1') }, { key: 3, data: goTo('lb3') }, { key: 0, data: drop }] })
  const scratch = map('scratch', { key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['classid'], elements: [{ key: ['10.96.0.1', 'tcp', 443], data: 3 }] })
  const nodePort = map('nodeport', { key: ['inet_proto', 'inet_service'], data: ['mark'], elements: [{ key: ['tcp', 30080], data: 1 }] })
  const affinity = map('affinity', { key: ['ipv4_addr', 'inet_service', 'ipv4_addr'], data: ['ipv4_addr', 'inet_service'], flags: ['dynamic'], timeoutMs: 10_800_000, size: 65_535 })
  const affinityMark = map('affinity-mark', { key: ['ipv4_addr', 'inet_proto', 'inet_service', 'ipv4_addr'], data: ['mark'], flags: ['dynamic', 'timeout'], size: 65_535 })
  const sticky = map('sticky', { key: ['classid', 'ipv4_addr'], data: ['classid'], flags: ['dynamic', 'timeout'], size: 1024 })
  const slot = map('slot', { key: ['ipv4_addr', 'inet_proto', 'inet_service', 'classid'], data: ['ipv4_addr', 'inet_service'], elements: [{ key: ['10.96.0.1', 'tcp', 443, 0x7fff_f001], data: ['10.244.0.1', 8443] }] })
  const choice = map('choice', { key: typeOf(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['classid'], elements: [{ key: ['10.96.0.1', 'tcp', 443, 0], data: [0x7fff_f001] }] })
  const client = concat(bitAnd(meta.priority, 0x7fff_f000), ip.saddr)
  const client6 = concat(bitAnd(meta.priority, 0x7fff_f000), ip6.saddr)
  const sticky6 = map('sticky6', { key: ['classid', 'ipv6_addr'], data: ['classid'], flags: ['dynamic', 'timeout'], size: 1024 })
  const choose = concat(ip.daddr, meta.l4proto, th.dport, numgen('random', 3))
  return table({
    name: 'weft-proxy', comment: 'services',
    counters: [namedCounter('no-endpoint', { comment: 'refused' }), namedCounter('z')],
    maps: [service, scratch, service6, endpoint, endpoint6, balance, nodePort, affinity, affinityMark, sticky, sticky6, slot, choice],
    chains: [
      chain('lb1', [rule(tcpOrUdp, dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), endpoint) }))]),
      chain('lb3', [
        rule(tcpOrUdp, dnat({ family: 'ip', to: lookup(choose, endpoint) })),
        rule(tcpOrUdp, dnat({ family: 'ip6', to: lookup(concat(ip6.daddr, meta.l4proto, th.dport, numgen('random', 3)), endpoint6), flags: ['persistent'] })),
        rule(eq(meta.l4proto, 'tcp'), dnat({ family: 'ip', to: lookup(choose, endpoint) })),
      ]),
      chain('services', [
        rule(setMark(lookup(concat(ip.daddr, meta.l4proto, th.dport), service))),
        rule(setMark(lookup(concat(ip6.daddr, meta.l4proto, th.dport), service6))),
        rule(assign(meta.priority, lookup(concat(ip.daddr, meta.l4proto, th.dport), scratch))),
        rule(assign(meta.priority, 0)),
        rule(assign(meta.priority, '1:2')),
        rule(vmap(bitAnd(meta.mark, 0xff), balance)),
        rule(eq(fib(['daddr'], 'type'), 'local'), setMark(lookup(concat(meta.l4proto, th.dport), nodePort))),
        rule(eq(fib(['daddr', 'iif'], 'type'), 'local'), ne(ip.daddr, cidrFrom(parseIp('127.0.0.0'), 8)), accept),
        rule(oneOf(fib(['daddr'], 'type'), ['local', 'broadcast']), accept),
        rule(setMark(replaceBits(meta.mark, 0x4000, 0x4000))),
        rule(setMark(bitOr(bitAnd(meta.mark, 0xffff00ff), 0x100))),
        rule(setMark(bitAnd(meta.mark, 0xffffbfff))),
        rule(setMark(bitXor(meta.mark, 0x4000))),
        rule(setMark(bitOr(bitAnd(ct.mark, 0xff), 0x100))),
        rule(assign(ct.mark, bitOr(meta.mark, 0x10))),
        rule(assign(ct.mark, 5)),
        rule(setMark(ct.mark)),
        rule(setMark(numgen('random', 5))),
        rule(setMark(numgen('inc', 5, 10))),
        rule(setMark(jhash(concat(ip.saddr, th.dport), 8, { offset: 5, seed: 0xdeadbeef }))),
        rule(setMark(jhash(ip.saddr, 8, { seed: 1 }))),
        rule(setMark(lookupIn(numgen('random', 2), ['mark'], [[0, 0x10], [1, 0x20]]))),
        rule(vmapOf(numgen('random', 2), [[0, goTo('lb1')], [1, goTo('lb3')]])),
        rule(eq(bitAnd(meta.mark, 0x4000), 0x4000), counter(), comment('hi there, "no" quotes'.replaceAll('"', "'"))),
        rule(ne(bitAnd(meta.mark, 0x4000), 0), returnToCaller),
        rule(updateIn(affinity, concat(ip.saddr, th.dport, ip.daddr), { timeoutMs: 300_000, data: concat(ip.daddr, th.dport) })),
        rule(updateIn(affinity, concat(ip.saddr, th.dport, ip.daddr), { data: concat(ip.daddr, th.dport) })),
        rule(addTo(affinityMark, concat(ip.daddr, meta.l4proto, th.dport, ip.saddr), { timeoutMs: 90_500, data: meta.mark })),
        rule(tcpOrUdp, dnat({ family: 'ip', to: lookup(concat(ip.saddr, th.dport, ip.daddr), affinity) })),
        rule(tcpOrUdp, assign(meta.priority, lookup(concat(ip.daddr, meta.l4proto, th.dport, numgen('random', 3)), choice)), deleteFrom(sticky, client, { data: meta.priority }),
          updateIn(sticky, client, { timeoutMs: 10_800_000, data: meta.priority }), dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport, meta.priority), slot) })),
        rule(assign(meta.priority, lookup(concat(meta.priority, ip6.saddr), sticky6)), updateIn(sticky6, client6, { timeoutMs: 600_000, data: meta.priority })),
        rule(hasAny(ct.status, 'dnat'), tcpOrUdp, assign(meta.priority, lookup(concat(ct.original.ipDaddr, meta.l4proto, ct.original.protoDst), scratch)), assign(meta.priority, 0)),
        rule(deleteFrom(affinityMark, concat(ip.daddr, meta.l4proto, th.dport, ip.saddr), { data: meta.mark })),
      ]),
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: -100 }, [rule(jump('services'))]),
      baseChain('output', { type: 'nat', hook: 'output', priority: -100 }, [
        rule(eq(meta.l4proto, 'tcp'), eq(th.dport, 80), dnat({ family: 'ip', to: '10.0.0.1', port: 80 })),
        rule(tcpOrUdp, dnat({ family: 'ip6', to: 'fd00::1', port: 80 })),
        rule(eq(meta.l4proto, 'udp'), dnat({ family: 'ip', to: '10.0.0.1', port: { from: 80, to: 90 } })),
        rule(dnat({ family: 'ip', to: range('10.0.0.1', '10.0.0.5') })),
        rule(dnat({ family: 'ip6', to: parseIp('fd00::1') })),
        rule(eq(tcp.dport, 80), redirect(8080)),
      ]),
      baseChain('filter', { type: 'filter', hook: 'prerouting', priority: -110 }, [
        rule(eq(meta.l4proto, 'tcp'), reject('tcp reset')),
        rule(reject()),
        rule(reject('icmpx admin-prohibited')),
        rule(countIn('no-endpoint'), drop),
      ]),
      baseChain('raw', { type: 'filter', hook: 'prerouting', priority: -300 }, [
        rule(eq(ip.daddr, '10.96.0.10'), eq(udp.dport, 53), notrack, assign(ip.daddr, '10.0.0.1'), assign(udp.dport, 10053)),
        rule(eq(ip6.saddr, 'fd00::1'), eq(udp.sport, 10053), assign(ip6.saddr, 'fd00:10:96::a'), assign(udp.sport, 53)),
        rule(assign(th.dport, 5)),
      ]),
      baseChain('route', { type: 'route', hook: 'output', priority: -300 }, [rule(eq(ip.saddr, '127.0.0.1'), assign(ip.saddr, '169.254.1.1'))]),
      baseChain('input', { type: 'filter', hook: 'input', priority: 150 }, [rule(hasAny(ct.status, 'dnat'), assign(ip.daddr, '127.0.0.1'))]),
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: 100 }, [
        rule(hasAny(ct.status, 'dnat'), eq(ct.original.ipDaddr, '10.96.0.1'), masquerade({ flags: ['fully-random'] })),
        rule(eq(meta.l4proto, 'tcp'), eq(ct.original.protoDst, 443), masquerade()),
        rule(eq(ct.original.ip6Daddr, 'fd00::1'), masquerade({ flags: ['persistent', 'random'] })),
        rule(oneOf(concat(ip.saddr, ip.daddr), [['10.0.0.2', '10.0.0.2'], ['10.0.0.1', '10.0.0.1']]), masquerade()),
        rule(eq(meta.l4proto, 'tcp'), masquerade({ port: { from: 1024, to: 65_535 } })),
        rule(snat({ family: 'ip', to: '10.0.0.1', flags: ['fully-random'] })),
        rule(snat({ family: 'ip6', to: 'fd00::1' })),
      ]),
    ],
  })
}

function policyTable(): Table {
  const ingress = map('ingress', { key: ['ipv4_addr'], data: 'verdict', elements: [{ key: '10.244.0.5', data: jump('pod-a') }, { key: '10.244.1.4', data: goTo('pod-a') }] })
  const ingress6 = map('ingress6', { key: ['ipv6_addr'], data: 'verdict', elements: [{ key: 'fd00::5', data: jump('pod-a'), comment: 'web-0' }] })
  const egress = map('egress-ranges', { key: ['ipv4_addr'], data: 'verdict', flags: ['interval'], elements: [{ key: '10.0.0.0/8', data: accept }, { key: range('11.0.0.1', '11.0.0.3'), data: continueOn }] })
  const peers = set('peers', {
    key: ['ipv4_addr', 'inet_proto', 'inet_service'], flags: ['interval'], comment: 'who may come in',
    elements: [{ key: ['10.0.0.0/8', 'tcp', range(1, 1024)] }, { key: ['192.168.0.1', 'udp', 53], comment: 'dns' }, { key: ['0.0.0.0/0', 'sctp', 99] }],
  })
  const peers6 = set('peers6', { key: ['ipv6_addr', 'inet_service'], flags: ['interval'], elements: [{ key: ['fd00::/56', range(0, 65_535)] }, { key: [range('fe80::1', 'fe80::9'), 443] }] })
  const pods = set('pods', { key: ['ipv4_addr'], elements: ['10.244.0.5', '10.244.1.4', '10.3.0.1', '9.9.9.9', '255.255.255.255'].map((key) => ({ key })) })
  const ranges = set('ranges', { key: ['ipv4_addr'], flags: ['interval'], elements: ['0.0.0.0/8', '10.0.0.0/9', '10.128.0.0/9', '192.0.2.1', '255.0.0.0/8'].map((key) => ({ key })) })
  const ranges6 = set('ranges6', { key: ['ipv6_addr'], flags: ['interval'], elements: ['2001:db8::/32', 'fd00::/8', 'ff00::/8'].map((key) => ({ key })) })
  const ports = set('ports', { key: ['inet_service'], flags: ['interval'], elements: [{ key: 80 }, { key: range(1, 5) }, { key: range(60_000, 65_535) }, { key: 443 }, { key: 8080 }, { key: 8443 }, { key: 9000 }] })
  return table({
    name: 'weft-policy',
    counters: [namedCounter('denied')],
    sets: [
      peers, peers6, pods, ranges, ranges6, ports,
      set('links', { key: ['ifname'], elements: ['weft1', 'eth0', 'lo'].map((key) => ({ key })) }),
      set('marks', { key: ['mark'], elements: [1, 2, 3, 4, 5, 6, 7, 8, 9, 16].map((key) => ({ key })) }),
      set('plain-ports', { key: ['inet_service'], elements: [7, 6, 5, 4, 300, 2, 1].map((key) => ({ key })) }),
      set('protocols', { key: ['inet_proto'], elements: ['udp', 'tcp', 'ipv6-icmp'].map((key) => ({ key })) }),
      set('addresses6', { key: ['ipv6_addr'], elements: ['fd00::2', 'fd00::1', '::1', '::ffff:10.0.0.1', '::10.0.0.1'].map((key) => ({ key })) }),
      set('leases', { key: ['ipv4_addr'], flags: ['dynamic'], timeoutMs: 3_600_000 }),
      set('seen', { key: ['ipv4_addr', 'inet_service'], flags: ['dynamic'], size: 1024, timeoutMs: 61_500 }),
      set('counted', { key: ['ipv4_addr'], counter: true, elements: [{ key: '10.0.0.1' }, { key: '10.0.0.2', comment: 'second' }] }),
    ],
    maps: [ingress, ingress6, egress],
    chains: [
      chain('empty'),
      chain('pod-a', [
        rule(isIn(concat(ip.saddr, meta.l4proto, th.dport), peers), accept),
        rule(isIn(concat(ip6.saddr, th.dport), peers6), accept),
        rule(isIn(ip.saddr, pods), oneOf(meta.l4proto, ['tcp', 'udp', 'sctp']), eq(th.dport, range(1000, 2000)), accept),
        rule(oneOf(ip.saddr, ['10.0.0.0/8', '192.168.0.1']), oneOf(th.dport, [80, 443, range(1000, 2000)]), accept),
        rule(notIn(ip.saddr, ranges), ne(tcp.dport, range(1, 5)), accept),
        rule(oneOf(tcp.dport, [80]), accept),
        rule(noneOf(ip6.saddr, ['fd00::/64']), accept),
        rule(oneOf(concat(meta.l4proto, th.dport), [['tcp', 80]]), accept),
        rule(isIn(tcp.dport, ports), accept),
        rule(eq(sctp.dport, 3868), accept),
        rule(eq(ip.saddr, range('10.0.0.1', '10.0.0.4')), accept),
        rule(ne(ip.saddr, range('10.0.0.1', '10.0.0.4')), accept),
        rule(eq(ip.daddr, '224.0.0.0/4'), returnToCaller),
        rule(eq(ip6.daddr, 'fd00::/57'), ne(ip6.saddr, 'fd00::/64'), accept),
        rule(counter(), log({ prefix: 'drop ', group: 5 }), drop, comment('default deny')),
        rule(log({ prefix: 'weft: ', level: 'info' }), limit(10, 'second'), limit(5, 'minute', { burst: 10, over: true }), countIn('denied'), reject()),
      ], { comment: 'web-0' }),
      baseChain('forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' }, [
        rule(hasAny(ct.state, 'established', 'related'), accept),
        rule(vmapOf(ct.state, [['new', continueOn], ['established', accept], ['related', accept], ['invalid', drop], ['untracked', jump('pod-a')]])),
        rule(hasAny(ct.state, 'untracked'), eq(udp.sport, 53), accept),
        rule(oneOf(ct.state, ['new', 'untracked']), accept),
        rule(oneOf(ct.state, ['new']), accept),
        rule(ne(ct.state, 'new'), accept),
        rule(eq(ct.direction, 'reply'), accept),
        rule(vmap(ip.daddr, ingress)),
        rule(vmap(ip6.daddr, ingress6)),
        rule(vmap(ip.saddr, egress)),
        rule(oneOf(icmpv6.type, ['nd-neighbor-advert', 'nd-neighbor-solicit', 'echo-request']), accept),
        rule(eq(icmp.type, 'echo-request'), accept),
        rule(eq(icmp.type, 'destination-unreachable'), eq(icmp.code, 4), accept),
        rule(eq(meta.iifname, 'weft*'), accept),
        rule(ne(meta.oifname, 'weft*'), accept),
        rule(eq(meta.iifname, 'lo'), accept),
        rule(oneOf(meta.oifname, ['eth0', 'eth1']), accept),
        rule(eq(meta.nfproto, 'ipv4'), accept),
        rule(eq(meta.nfproto, 'ipv6'), eq(meta.l4proto, 58), accept),
        rule(eq(meta.nfproto, 'ipv4'), eq(meta.l4proto, 'tcp'), hasAny(ct.state, 'new'), eq(th.dport, 80), eq(ip.daddr, '10.0.0.1'), accept),
        rule(eq(meta.l4proto, 'tcp'), counter(), eq(th.dport, 80), accept),
        rule(eq(meta.nfproto, 'ipv4'), counter(), eq(ip.saddr, '10.0.0.1'), accept),
        rule(eq(ip.protocol, 'tcp'), eq(th.dport, 80), accept),
        rule(eq(bitAnd(tcp.flags, 0x17), 'syn'), accept),
        rule(eq(bitAnd(tcp.flags, 2), 'syn'), accept),
        rule(hasAny(tcp.flags, 'syn', 'ack'), accept),
        rule(eq(meta.mark, range(1, 5)), ne(meta.mark, range(7, 9)), gt(meta.mark, 5), accept),
        rule(oneOf(meta.mark, [3, 1]), le(th.dport, 99), lt(th.sport, 3), ge(meta.length, 100), accept),
        rule(eq(meta.pkttype, 'multicast'), accept),
        rule(eq(meta.skuid, 0), accept),
        rule(addTo('seen', concat(ip.saddr, th.dport)), updateIn('leases', ip.saddr, { timeoutMs: 30_000 })),
      ]),
      baseChain('input', { type: 'filter', hook: 'input', priority: 5 }),
      baseChain('output', { type: 'filter', hook: 'output', priority: -150 }),
    ],
  })
}

function overlayTable(): Table {
  const pods4 = set('pods4', { key: ['ipv4_addr'], flags: ['interval'], elements: [{ key: '10.244.0.0/16' }, { key: '172.30.0.0/15' }] })
  const links = set('links', { key: ['ifname'], elements: [{ key: 'eth0' }] })
  return table({
    name: 'weft-overlay', sets: [pods4, links],
    chains: [
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: 110 }, [
        rule(isIn(ip.saddr, pods4), notIn(ip.daddr, pods4), masquerade({ flags: ['fully-random'] })),
        rule(isIn(meta.oifname, links), snat({ family: 'ip', to: '172.30.1.11' })),
        rule(ne(meta.oifname, 'weft*'), snat({ family: 'ip6', to: 'fd00:172:30:1::11', flags: ['fully-random'] })),
      ]),
    ],
  })
}

function cniTable(): Table {
  const hostPorts = map('hostports', {
    key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'],
    elements: [{ key: ['172.30.1.11', 'tcp', 8080], data: ['10.244.0.2', 80] }, { key: ['0.0.0.0', 'udp', 53], data: ['10.244.0.3', 53], comment: 'dns' }],
  })
  return table({
    name: 'weft-cni', maps: [hostPorts],
    chains: [
      baseChain('antispoof', { type: 'filter', hook: 'prerouting', priority: -300 }, [
        rule(eq(meta.iifname, 'weft*'), eq(fib(['saddr', 'iif'], 'oif'), 'missing'), drop),
        rule(eq(fib(['daddr'], 'oif'), 'exists'), accept),
      ]),
      baseChain('hostports', { type: 'nat', hook: 'prerouting', priority: -99 }, [
        rule(tcpOrUdp, dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport), hostPorts) })),
      ]),
    ],
  })
}

function ipTable(): Table {
  return table({
    family: 'ip', name: 'plain-ip',
    chains: [baseChain('forward', { type: 'filter', hook: 'forward', priority: 0 }, [
      rule(eq(ip.daddr, '10.0.0.1'), eq(tcp.dport, 80), accept),
      rule(eq(icmp.type, 'echo-request'), drop),
    ])],
  })
}

function netdevTable(): Table {
  return table({
    family: 'netdev', name: 'edge',
    chains: [baseChain('ingress', { type: 'filter', hook: 'ingress', device: 'lo', priority: 0 }, [rule(eq(meta.iifname, 'lo'), counter(), accept)])],
  })
}

function bridgeTable(): Table {
  const ports = set('ports', { key: ['ifname', 'ipv4_addr'], elements: [{ key: ['weft1', '10.0.0.1'] }, { key: ['weft2', '10.0.0.2'] }] })
  return table({
    family: 'bridge', name: 'ports', sets: [ports],
    chains: [
      baseChain('prerouting', { type: 'filter', hook: 'prerouting', priority: -300 }, [
        rule(eq(meta.iifname, 'weft*'), oneOf(ether.type, ['8021q', '8021ad']), counter(), drop),
        rule(isIn(concat(meta.iifname, ip.saddr), ports), accept),
        rule(eq(ip6.saddr, 'fd00::1'), accept),
        rule(eq(ether.type, 'arp'), drop),
      ]),
      baseChain('forward', { type: 'filter', hook: 'forward', priority: -195 }, [rule(eq(meta.oifname, 'weft*'), counter(), drop)]),
      baseChain('postrouting', { type: 'filter', hook: 'postrouting', priority: 100 }, [rule(isIn(concat(meta.oifname, ip.daddr), ports), accept)]),
    ],
  })
}

/** Tables like those of the features, and every form of rule this package can print. */
export const sampleTables: readonly Table[] = [proxyTable(), policyTable(), overlayTable(), cniTable(), ipTable(), netdevTable(), bridgeTable()]
