# Flows of all protocols with ports, and one without; with NAT, marks, a zone. Run as root of a fresh network namespace.
set -e
sysctl -qw net.netfilter.nf_conntrack_acct=1
ip link set lo up
conntrack -I -t 3000 -p udp -s 10.1.0.9 -d 10.96.0.10 --sport 40001 --dport 53 -g 10.244.0.7 -m 5
conntrack -I -t 3000 -p udp -s 10.1.0.9 -d 10.96.0.10 --sport 40001 --dport 53 -w 7
conntrack -I -t 3000 -p tcp -s 10.1.0.9 -d 10.96.0.10 --sport 40001 --dport 53 --state ESTABLISHED -u SEEN_REPLY,ASSURED
conntrack -I -t 3000 -p tcp -s 10.1.0.9 -d 10.96.0.10 --sport 40002 --dport 53 --state SYN_SENT -n 10.1.0.1:5000 -g 10.244.0.7:5353
conntrack -I -t 3000 -p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 5 --dport 6 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2
conntrack -I -t 3000 -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 5
conntrack -I -t 3000 -p udp -s fd00::9 -d fd00::a --sport 40001 --dport 53 -m 0x2000
conntrack -I -t 3000 -p tcp -s fd00::9 -d fd00::a --sport 40001 --dport 53 --state ESTABLISHED -g fd00::b
conntrack -I -t 3000 -p sctp -s fd00::9 -d fd00::a --sport 5 --dport 6 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2
# And one that was counted: a datagram there, an answer back.
# Nothing is tracked in a namespace until a rule asks for it.
nft 'table ip t { chain c { type filter hook output priority 0; ct state new counter; }; }'
socat UDP-LISTEN:7007,bind=127.0.0.1 EXEC:cat &
sleep 0.2
echo hello | socat -t 0.2 - UDP:127.0.0.1:7007,sourceport=40007
kill $!
