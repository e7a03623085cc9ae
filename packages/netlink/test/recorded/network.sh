# One of everything that the route family of netlink tells of. Run as root of a fresh network namespace.
set -e
sysctl -qw net.ipv6.conf.default.accept_dad=0
ip link set lo up

# Links: a pair, a pair that stays down, a bridge with a port, tunnels of both families.
ip link add v0 index 10 address 02:00:00:00:00:10 type veth peer name v1 index 11 address 02:00:00:00:00:11
ip link add down0 index 12 address 02:00:00:00:00:12 type veth peer name down1 index 13 address 02:00:00:00:00:13
ip link set v0 up
ip link set v1 up
ip address add 10.0.0.1/24 dev v0 broadcast +
ip address add fd00::1/64 dev v0 nodad
ip link add vx4 index 20 address 02:00:00:00:00:20 type vxlan id 77 dstport 8472 local 10.0.0.1 dev v0 nolearning ttl 9
ip link add vx6 index 21 address 02:00:00:00:00:21 type vxlan id 78 dstport 4789 local fd00::1 remote fd00::2 dev v0 udp6zerocsumtx udp6zerocsumrx
ip link add br0 index 30 address 02:00:00:00:00:30 type bridge stp_state 1
ip link add br1 index 31 address 02:00:00:00:00:31 type bridge nf_call_iptables 1 nf_call_ip6tables 1
ip link set v1 master br0
ip link set br1 up
ip link set vx4 group 7 alias "overlay of nodes"
tc qdisc replace dev v0 root handle 1: tbf rate 8mbit burst 32kb limit 64kb

# Addresses. Those of a link that is down stay tentative.
ip address add 10.0.0.5/32 dev v0 noprefixroute label v0:pod
ip address add 10.9.0.1 peer 10.9.0.2/32 dev v0 scope link
ip address add 10.8.0.1/24 dev v0 valid_lft 40000 preferred_lft 0
ip address add 10.7.0.1/24 dev br1
ip address add fd00::5/128 dev v0 nodad noprefixroute preferred_lft 0
ip address add fd00::9 peer fd00::a/128 dev v0 nodad
ip address add fd77::1/64 dev down0

# Routes; the one to 10.7.0.0/24 is of a bridge without carrier.
ip route add default via 10.0.0.2 dev v0 metric 100
ip route add 10.20.0.0/16 via 10.0.0.2 src 10.0.0.5 mtu 1400 advmss 1360 metric 5 proto 77
ip route add 10.21.0.0/16 via 192.0.2.1 dev v0 onlink table 1000 proto 77
ip route add 10.22.0.0/16 via inet6 fe80::2 dev v0
ip route add 10.23.0.0/16 nexthop via 10.0.0.2 dev v0 weight 3 nexthop via 10.0.0.3 dev v0 nexthop via inet6 fe80::3 dev v0 weight 2 nexthop via 192.0.2.9 dev v0 onlink
ip nexthop add id 7 via 10.0.0.4 dev v0
ip nexthop add id 9 via 10.0.0.5 dev v0
ip nexthop add id 10 group 7,3/9
ip route add 10.24.0.0/16 nhid 7
ip route add 10.25.0.0/16 nhid 10
ip route add unreachable 10.26.0.0/16 table 301
ip route add blackhole 10.26.0.0/16 table 302
ip route add prohibit 10.26.0.0/16 table 303
ip route add throw 10.26.0.0/16 table 304
ip route add local 10.27.0.0/16 dev lo table local
ip -6 route add default via fe80::2 dev v0 metric 100
ip -6 route add fd20::/64 via fd00::2 src fd00::1 mtu 1400 advmss 1360 metric 5 proto 77
ip -6 route add fd21::/64 via fd99::1 dev v0 onlink table 1000
ip -6 route add fd23::/64 nexthop via fd00::2 dev v0 weight 3 nexthop via fd00::3 dev v0
ip nexthop add id 17 via fd00::4 dev v0
ip -6 route add fd24::/64 nhid 17
ip -6 route add unreachable fd26::/64
ip -6 route add blackhole fd27::/64 table 77
ip -6 route add fd28::/64 dev v0 expires 50000

# Rules. Inverted ones match all else, so they come after the others.
ip rule add from 10.0.0.0/8 to 10.9.0.0/16 iif v0 fwmark 0x10/0xff table 1000 priority 100 suppress_prefixlength 0 protocol 77
ip rule add not from 10.3.0.0/16 ipproto tcp oif v0 unreachable priority 40101
ip rule add to 10.4.0.0/16 blackhole priority 102
ip rule add fwmark 7 prohibit priority 103
ip -6 rule add from fd00::/8 to fd09::/16 table 1000 priority 100
ip -6 rule add not from fd03::/32 prohibit priority 40101

# Neighbours and forwarding entries.
ip neighbour add 10.0.0.2 lladdr 02:00:00:00:00:22 dev v0 nud permanent protocol 77
ip neighbour add 10.0.0.3 lladdr 02:00:00:00:00:23 dev v0 nud noarp
ip neighbour add 10.0.0.4 lladdr 02:00:00:00:00:24 dev v0 nud stale
ip neighbour add fe80::2 lladdr 02:00:00:00:00:22 dev v0 nud permanent router
ip neighbour add proxy 10.0.0.77 dev v0
ip neighbour add proxy fd00::77 dev v0
bridge fdb append 00:00:00:00:00:00 dev vx4 dst 10.0.0.8
bridge fdb append 00:00:00:00:00:00 dev vx4 dst 10.0.0.9 via v0
bridge fdb add 02:00:00:00:00:88 dev vx4 dst 10.0.0.8 port 4789 vni 99
bridge fdb add 02:00:00:00:00:89 dev vx6 dst fd00::8
bridge fdb add 02:00:00:00:00:99 dev v1 master static
