// SPDX-License-Identifier: GPL-2.0-or-later
// Tests helpers/lib/log_line.c: which lines of the kernel and of nginx name a client, and which of them prove anything.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helpers/lib/log_line.h"

typedef void parser_t(const char *text, size_t length, struct log_line *ret);

struct line_case {
	const char *name;
	parser_t *parser;
	const char *input;
	const char *want;
};

#define KERNEL log_line_kernel
#define NGINX log_line_nginx

#define DROP "nft-api-drop: "
#define BLOCK "nft-api-block: "
#define WAY "IN=veth-cl OUT= MAC=52:54:00:12:34:56:52:55:0a:00:02:02:08:00 "
#define WAY6 "IN=veth-cl OUT= MAC=52:54:00:12:34:56:52:55:0a:00:02:02:86:dd "
#define IP " DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF "
#define IP6 " DST=2001:0db8:ffff:0000:0000:0000:0000:0001 LEN=72 TC=0 HOPLIMIT=64 FLOWLBL=915612 "
#define PORTS "PROTO=TCP SPT=1 DPT=443 "
#define ACK "WINDOW=64240 RES=0x00 ACK PSH URGP=0 "
#define SRC "SRC=198.51.100.7"
#define SRC6 "SRC=2001:0db8:0001:0002:0003:0004:0005:0006"
#define WANT "drop API-080 proven 198.51.100.7"
#define UNPROVEN "drop API-080 198.51.100.7"
#define GOOD DROP "API-080 " WAY SRC IP PORTS ACK

#define DATE "2026/11/21 10:00:00 [error] 1234#1234: *56 "
#define REQUESTS "limiting requests, excess: 20.500 by zone \"api\", "
#define CONNECTIONS "limiting connections by zone \"addr\", "
#define SERVER ", server: api.example, request: \"GET /x HTTP/1.1\", host: \"api.example\""
#define LIMITED "nginx proven 203.0.113.7 api 1795255200"
#define NGINX_GOOD DATE REQUESTS "client: 203.0.113.7" SERVER

static const struct line_case line_cases[] = {
	/* what the kernel prints, net/netfilter/nf_log_syslog.c */
	{ "a request over its limit", KERNEL, GOOD, WANT },
	{ "a mark behind it", KERNEL, GOOD "MARK=0x400000 ", WANT },
	{ "an urgent FIN with every harmless flag", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=1 RES=0x00 CWR ECE URG ACK PSH FIN URGP=7 ",
	  WANT },
	{ "a congestion mark", KERNEL,
	  DROP "API-080 " WAY SRC
	       " DST=192.0.2.1 LEN=60 TOS=0x03 PREC=0x00 TTL=64 ID=0 CE DF " PORTS ACK,
	  WANT },
	{ "an interface without a link layer", KERNEL,
	  DROP "API-080 IN=wg0 OUT= MAC= " SRC IP PORTS ACK, WANT },
	{ "no link layer in sight", KERNEL, DROP "API-080 IN=wg0 OUT= " SRC IP PORTS ACK, WANT },
	{ "an interface of a bridge", KERNEL,
	  DROP "API-080 IN=br0 OUT= PHYSIN=veth1 MAC=52:54 " SRC IP PORTS ACK, WANT },
	{ "a request over IPv6", KERNEL, DROP "API-080 " WAY6 SRC6 IP6 PORTS ACK,
	  "drop API-080 proven 2001:db8:1:2::/64" },
	{ "a shortened IPv6 address", KERNEL, DROP "API-080 " WAY6 "SRC=2001:db8::7" IP6 PORTS ACK,
	  "drop API-080 proven 2001:db8::/64" },
	{ "a tunnel", KERNEL,
	  DROP "API-080 IN=sit0 OUT= MAC=45:00 TUNNEL=192.0.2.9->192.0.2.1 " SRC6 IP6 PORTS ACK,
	  "drop API-080 proven 2001:db8:1:2::/64" },
	{ "a promotion by the rules", KERNEL, BLOCK "API-130 " WAY SRC IP PORTS ACK,
	  "block API-130 proven 198.51.100.7" },
	{ "a promotion over IPv6", KERNEL, BLOCK "API-130 " WAY6 SRC6 IP6 PORTS ACK,
	  "block API-130 proven 2001:db8:1:2::/64" },

	/* only API-080 and API-130 prove something */
	{ "a blocked address proves nothing", KERNEL, DROP "API-020 " WAY SRC IP PORTS ACK,
	  "drop API-020 198.51.100.7" },
	{ "a blocked network proves nothing", KERNEL, DROP "API-030 " WAY SRC IP PORTS ACK,
	  "drop API-030 198.51.100.7" },
	{ "a malformed packet proves nothing", KERNEL, DROP "API-040 " WAY SRC IP PORTS ACK,
	  "drop API-040 198.51.100.7" },
	{ "a new connection proves nothing", KERNEL, DROP "API-050 " WAY SRC IP PORTS ACK,
	  "drop API-050 198.51.100.7" },
	{ "a QUIC handshake proves nothing", KERNEL,
	  DROP "API-060 " WAY SRC IP "PROTO=UDP SPT=1 DPT=443 LEN=1258 ",
	  "drop API-060 198.51.100.7" },
	{ "open connections prove nothing", KERNEL, DROP "API-070 " WAY SRC IP PORTS ACK,
	  "drop API-070 198.51.100.7" },
	{ "short turns prove nothing", KERNEL, DROP "API-090 " WAY SRC IP PORTS ACK,
	  "drop API-090 198.51.100.7" },
	{ "a subnet proves nothing", KERNEL, DROP "API-100 " WAY SRC IP PORTS ACK,
	  "drop API-100 198.51.100.7" },
	{ "a partner proves nothing", KERNEL, DROP "API-110 " WAY SRC IP PORTS ACK,
	  "drop API-110 198.51.100.7" },
	{ "a newcomer without room proves nothing", KERNEL, DROP "API-150 " WAY SRC IP PORTS ACK,
	  "drop API-150 198.51.100.7" },
	{ "a newcomer under pressure proves nothing", KERNEL,
	  DROP "API-160 " WAY6 SRC6 IP6 PORTS ACK, "drop API-160 2001:db8:1:2::/64" },
	{ "a full meter proves nothing", KERNEL, DROP "API-120 " WAY SRC IP PORTS ACK,
	  "drop API-120 198.51.100.7" },
	{ "a rule of tomorrow proves nothing", KERNEL, DROP "API-081 " WAY SRC IP PORTS ACK,
	  "drop API-081 198.51.100.7" },
	{ "a promotion is no drop", KERNEL, DROP "API-130 " WAY SRC IP PORTS ACK,
	  "drop API-130 198.51.100.7" },
	{ "a drop is no promotion", KERNEL, BLOCK "API-080 " WAY SRC IP PORTS ACK,
	  "block API-080 198.51.100.7" },
	{ "a line without an id", KERNEL, DROP WAY SRC IP PORTS ACK, "other" },
	{ "an id of two digits", KERNEL, DROP "API-80 " WAY SRC IP PORTS ACK, "other" },
	{ "an id of four digits", KERNEL, DROP "API-0800 " WAY SRC IP PORTS ACK, "other" },
	{ "an id in letters", KERNEL, DROP "API-o80 " WAY SRC IP PORTS ACK, "other" },
	{ "an id without its name", KERNEL, DROP "080 " WAY SRC IP PORTS ACK, "other" },

	/* API-080 proves something of a segment that acknowledges */
	{ "an id that goes on", KERNEL, DROP "API-080:" WAY SRC IP PORTS ACK, "other" },
	{ "a SYN", KERNEL, DROP "API-080 " WAY SRC IP PORTS "WINDOW=1 RES=0x00 SYN URGP=0 ",
	  UNPROVEN },
	{ "a SYN that acknowledges", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=1 RES=0x00 ACK SYN URGP=0 ", UNPROVEN },
	{ "a reset that acknowledges", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=1 RES=0x00 ACK RST URGP=0 ", UNPROVEN },
	{ "a segment that does not acknowledge", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=1 RES=0x00 PSH URGP=0 ", UNPROVEN },
	{ "UDP", KERNEL, DROP "API-080 " WAY SRC IP "PROTO=UDP SPT=1 DPT=443 LEN=8 ", UNPROVEN },
	{ "a fragment", KERNEL,
	  DROP "API-080 " WAY SRC
	       " DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 FRAG:185 PROTO=TCP ",
	  UNPROVEN },
	{ "an incomplete header", KERNEL,
	  DROP "API-080 " WAY SRC IP "PROTO=TCP INCOMPLETE [4 bytes] ", UNPROVEN },
	{ "a protocol inside a word", KERNEL,
	  DROP "API-080 " WAY SRC
	       " DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 x" PORTS ACK,
	  UNPROVEN },
	{ "an ICMP error that quotes TCP", KERNEL,
	  DROP "API-080 " WAY SRC IP "PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.9" IP PORTS ACK "] ",
	  UNPROVEN },
	{ "a line cut behind the flags", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=64240 RES=0x00 ACK PSH URGP=", UNPROVEN },
	{ "a line cut among the flags", KERNEL,
	  DROP "API-080 " WAY SRC IP PORTS "WINDOW=64240 RES=0x00 ACK ", UNPROVEN },
	{ "a line cut behind the source", KERNEL, DROP "API-080 " WAY SRC " ", UNPROVEN },
	{ "a line cut in the source", KERNEL, DROP "API-080 " WAY SRC, "other" },
	{ "a line cut in the way", KERNEL, DROP "API-080 IN=veth-cl OUT= MA", "other" },
	{ "a line cut in the prefix", KERNEL, "nft-api-dr", "other" },
	{ "nothing", KERNEL, "", "other" },

	/* the message begins with the prefix */
	{ "a space before the prefix", KERNEL, " " GOOD, "other" },
	{ "another's prefix before it", KERNEL, "mine: " GOOD, "other" },
	{ "the time of dmesg before it", KERNEL, "[    1.000000] " GOOD, "other" },
	{ "the prefix twice", KERNEL, DROP GOOD, "other" },
	{ "a line of its own behind a newline", KERNEL, "x\n" GOOD, "other" },
	{ "a prefix in a user agent", KERNEL,
	  "203.0.113.9 - - \"GET / HTTP/1.1\" 200 1 \"-\" \"" GOOD "\"", "other" },
	{ "a prefix in capitals", KERNEL, "NFT-API-DROP: API-080 " WAY SRC IP PORTS ACK, "other" },
	{ "a prefix of NFLOG", KERNEL, "nftward:API-080 " WAY SRC IP PORTS ACK, "other" },
	{ "two spaces behind the prefix", KERNEL, DROP " API-080 " WAY SRC IP PORTS ACK, "other" },
	{ "something before IN=", KERNEL, DROP "API-080 x " WAY SRC IP PORTS ACK, "other" },
	{ "something before SRC=", KERNEL, DROP "API-080 " WAY "x " SRC IP PORTS ACK, "other" },
	{ "a source in the place of IN=", KERNEL,
	  DROP "API-080 SRC=203.0.113.9 " WAY SRC IP PORTS ACK, "other" },
	{ "a source inside IN=", KERNEL,
	  DROP "API-080 IN=SRC=203.0.113.9 OUT= MAC= " SRC IP PORTS ACK, WANT },
	{ "no source", KERNEL, DROP "API-080 " WAY "DST=192.0.2.1 " PORTS ACK, "other" },
	{ "a newline in the way", KERNEL, DROP "API-080 IN=veth-cl\nOUT= " SRC IP PORTS ACK,
	  "other" },
	{ "a second source", KERNEL, GOOD "SRC=203.0.113.9 ", WANT },
	{ "bytes that are no UTF-8 behind it", KERNEL, GOOD "\xff\xfe\xc0\x80", WANT },
	{ "bytes that are no UTF-8 in the source", KERNEL,
	  DROP "API-080 " WAY "SRC=198.51.\xff.7" IP PORTS ACK, "other" },

	/* addresses */
	{ "an octet of 999", KERNEL, DROP "API-080 " WAY "SRC=999.1.1.1" IP PORTS ACK, "other" },
	{ "an octet of 256", KERNEL, DROP "API-080 " WAY "SRC=198.51.100.256" IP PORTS ACK,
	  "other" },
	{ "an octet of 255", KERNEL, DROP "API-080 " WAY "SRC=198.51.100.255" IP PORTS ACK,
	  "drop API-080 proven 198.51.100.255" },
	{ "an octet with a zero before it", KERNEL,
	  DROP "API-080 " WAY "SRC=198.051.100.7" IP PORTS ACK, "other" },
	{ "three octets", KERNEL, DROP "API-080 " WAY "SRC=198.51.100" IP PORTS ACK, "other" },
	{ "five octets", KERNEL, DROP "API-080 " WAY "SRC=198.51.100.7.1" IP PORTS ACK, "other" },
	{ "a number", KERNEL, DROP "API-080 " WAY "SRC=3325256711" IP PORTS ACK, "other" },
	{ "a network", KERNEL, DROP "API-080 " WAY "SRC=198.51.100.0/24" IP PORTS ACK, "other" },
	{ "no address", KERNEL, DROP "API-080 " WAY "SRC=" IP PORTS ACK, "other" },
	{ "a name", KERNEL, DROP "API-080 " WAY "SRC=example.com" IP PORTS ACK, "other" },
	{ "the unspecified address", KERNEL, DROP "API-080 " WAY "SRC=0.0.0.0" IP PORTS ACK,
	  "other" },
	{ "loopback", KERNEL, DROP "API-080 " WAY "SRC=127.0.0.1" IP PORTS ACK, "other" },
	{ "multicast", KERNEL, DROP "API-080 " WAY "SRC=224.0.0.1" IP PORTS ACK, "other" },
	{ "broadcast", KERNEL, DROP "API-080 " WAY "SRC=255.255.255.255" IP PORTS ACK, "other" },
	{ "the last address before multicast", KERNEL,
	  DROP "API-080 " WAY "SRC=223.255.255.255" IP PORTS ACK,
	  "drop API-080 proven 223.255.255.255" },
	{ "an IPv4 address in IPv6", KERNEL,
	  DROP "API-080 " WAY6 "SRC=::ffff:1.2.3.4" IP6 PORTS ACK, "other" },
	{ "an IPv4 address in full IPv6", KERNEL,
	  DROP "API-080 " WAY6 "SRC=0000:0000:0000:0000:0000:ffff:0102:0304" IP6 PORTS ACK,
	  "other" },
	{ "an IPv4 address behind NAT64", KERNEL,
	  DROP "API-080 " WAY6 "SRC=64:ff9b::1" IP6 PORTS ACK, "other" },
	{ "the unspecified IPv6 address", KERNEL, DROP "API-080 " WAY6 "SRC=::" IP6 PORTS ACK,
	  "other" },
	{ "IPv6 loopback", KERNEL, DROP "API-080 " WAY6 "SRC=::1" IP6 PORTS ACK, "other" },
	{ "IPv6 multicast", KERNEL, DROP "API-080 " WAY6 "SRC=ff02::1" IP6 PORTS ACK, "other" },
	{ "a link-local address", KERNEL, DROP "API-080 " WAY6 "SRC=fe80::1" IP6 PORTS ACK,
	  "other" },
	{ "a zone id", KERNEL, DROP "API-080 " WAY6 "SRC=2001:db8::7%eth0" IP6 PORTS ACK, "other" },
	{ "a full address that is none", KERNEL,
	  DROP "API-080 " WAY6 "SRC=2001:0db8:0001:0002:0003:0004:0005:000g" IP6 PORTS ACK,
	  "other" },
	{ "an IPv6 address in brackets", KERNEL,
	  DROP "API-080 " WAY6 "SRC=[2001:db8::7]" IP6 PORTS ACK, "other" },
	{ "an IPv6 network", KERNEL, DROP "API-080 " WAY6 "SRC=2001:db8::/64" IP6 PORTS ACK,
	  "other" },
	{ "nine groups", KERNEL, DROP "API-080 " WAY6 "SRC=1:2:3:4:5:6:7:8:9" IP6 PORTS ACK,
	  "other" },

	/* nginx, as seen of 1.22 */
	{ "twelve groups", KERNEL,
	  DROP "API-080 " WAY6
	       "SRC=2001:0db8:0001:0002:0003:0004:0005:0006:0007:0008:0009:000a" IP6 PORTS ACK,
	  "other" },
	{ "groups with dashes", KERNEL,
	  DROP "API-080 " WAY6 "SRC=2001-0db8-0001-0002-0003-0004-0005-0006" IP6 PORTS ACK,
	  "other" },
	{ "nginx limits requests", NGINX, NGINX_GOOD, LIMITED },
	{ "nginx limits connections", NGINX, DATE CONNECTIONS "client: 203.0.113.7" SERVER,
	  "nginx proven 203.0.113.7 addr 1795255200" },
	{ "nginx limits an IPv6 client", NGINX, DATE REQUESTS "client: 2001:db8:1:2::7" SERVER,
	  "nginx proven 2001:db8:1:2::/64 api 1795255200" },
	{ "nginx warns", NGINX,
	  "2026/11/21 10:00:00 [warn] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, LIMITED },
	{ "nginx informs", NGINX,
	  "2026/11/21 10:00:00 [info] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, LIMITED },
	{ "nginx notices", NGINX,
	  "2026/11/21 10:00:00 [notice] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, LIMITED },
	{ "nginx shouts", NGINX,
	  "2026/11/21 10:00:00 [emerg] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "an odd name of a zone", NGINX,
	  DATE "limiting requests, excess: 0.001 by zone \"a, client: 9.9.9.9\xc3\xa9\", client: "
	       "203.0.113.7" SERVER,
	  "nginx proven 203.0.113.7 a, client: 9.9.9.9\xc3\xa9 1795255200" },
	{ "a zone without a name", NGINX,
	  DATE "limiting requests, excess: 0.001 by zone \"\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a newline in a zone", NGINX,
	  DATE "limiting requests, excess: 0.001 by zone \"a\nb\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a dry run on requests", NGINX,
	  DATE
	  "limiting requests, dry run, excess: 2.999 by zone \"api\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a dry run on connections", NGINX,
	  DATE "limiting connections, dry run, by zone \"addr\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a delay", NGINX,
	  DATE "delaying request, excess: 0.996, by zone \"slow\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a socket in the file system", NGINX, DATE REQUESTS "client: unix:" SERVER, "other" },
	{ "another failure", NGINX,
	  DATE
	  "open() \"/html/n\" failed (2: No such file or directory), client: 203.0.113.7" SERVER,
	  "other" },

	/* what a client writes, nginx puts behind the server, or in a line that is not about limits */
	{ "a client in the request", NGINX,
	  DATE REQUESTS
	  "client: 203.0.113.7, server: x, request: \"GET /\", client: 9.9.9.9, server: x\"",
	  LIMITED },
	{ "a line of nginx in the referrer", NGINX,
	  NGINX_GOOD ", referrer: \"" DATE REQUESTS "client: 9.9.9.9" SERVER "\"", LIMITED },
	{ "a line of the kernel in the host", NGINX,
	  DATE REQUESTS "client: 203.0.113.7, server: x, request: \"GET / HTTP/1.1\", host: \"" GOOD
			"\"",
	  LIMITED },
	{ "a line of its own behind a newline", NGINX,
	  NGINX_GOOD "\n" DATE REQUESTS "client: 9.9.9.9" SERVER, LIMITED },
	{ "a line of nginx in another one", NGINX,
	  DATE "open() \"/html/" DATE REQUESTS "client: 9.9.9.9" SERVER
	       "\" failed, client: 203.0.113.7" SERVER,
	  "other" },
	{ "a line of nginx behind a newline in another one", NGINX,
	  DATE "open() \"/html/\n" DATE REQUESTS "client: 9.9.9.9" SERVER
	       "\" failed, client: 203.0.113.7" SERVER,
	  "other" },
	{ "a line of the kernel, read as nginx's", NGINX, GOOD, "other" },
	{ "a line of nginx, read as the kernel's", KERNEL, NGINX_GOOD, "other" },
	{ "bytes that are no UTF-8 in the request", NGINX,
	  DATE REQUESTS "client: 203.0.113.7, server: x, request: \"GET /\xff\xfe\"", LIMITED },
	{ "bytes that are no UTF-8 in the client", NGINX,
	  DATE REQUESTS "client: 203.0.113.\xff" SERVER, "other" },

	/* the way to the client */
	{ "no date", NGINX, "[error] 1234#1234: *56 " REQUESTS "client: 203.0.113.7" SERVER,
	  "other" },
	{ "the date of syslog", NGINX, "Nov 21 10:00:00 host nginx: " NGINX_GOOD, "other" },
	{ "a date with dashes", NGINX,
	  "2026-11-21 10:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "the 30th of February", NGINX,
	  "2026/02/30 10:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "a leap day", NGINX,
	  "2028/02/29 10:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER,
	  "nginx proven 203.0.113.7 api 1835431200" },
	{ "a leap day of another year", NGINX,
	  "2026/02/29 10:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "a month 00", NGINX,
	  "2026/00/21 10:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "an hour 24", NGINX,
	  "2026/11/21 24:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "a year before all others", NGINX,
	  "0000/01/01 00:00:00 [error] 1#1: *1 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "no connection", NGINX,
	  "2026/11/21 10:00:00 [error] 1234#1234: " REQUESTS "client: 203.0.113.7" SERVER,
	  "other" },
	{ "no thread", NGINX,
	  "2026/11/21 10:00:00 [error] 1234: *56 " REQUESTS "client: 203.0.113.7" SERVER, "other" },
	{ "a negative excess", NGINX,
	  DATE "limiting requests, excess: -1.000 by zone \"api\", client: 203.0.113.7" SERVER,
	  "other" },
	{ "a client and no server", NGINX, DATE REQUESTS "client: 203.0.113.7", "other" },
	{ "a client with a port", NGINX, DATE REQUESTS "client: 203.0.113.7:80" SERVER, "other" },
	{ "a client with a zone id", NGINX, DATE REQUESTS "client: 2001:db8::7%eth0" SERVER,
	  "other" },
	{ "a client of 999", NGINX, DATE REQUESTS "client: 999.1.1.1" SERVER, "other" },
	{ "a client that is IPv4 in IPv6", NGINX, DATE REQUESTS "client: ::ffff:1.2.3.4" SERVER,
	  "other" },
	{ "a client on loopback", NGINX, DATE REQUESTS "client: 127.0.0.1" SERVER, "other" },
	{ "nothing of nginx", NGINX, "", "other" },
};

static const char *const kind_names[] = {
	[LOG_LINE_OTHER] = "other",
	[LOG_LINE_DROP] = "drop",
	[LOG_LINE_BLOCK] = "block",
	[LOG_LINE_NGINX] = "nginx",
};

static void print_line(char *ret, size_t size, const struct log_line *line)
{
	char client[PREFIX_TEXT_MAX];
	int length;

	length = snprintf(ret, size, "%s", kind_names[line->kind]);
	if (line->kind == LOG_LINE_OTHER)
		return;
	prefix_print(client, &line->client);
	length += snprintf(ret + length, size - (size_t)length, "%s%s%s %s",
			   line->rule[0] ? " " : "", line->rule, line->proven ? " proven" : "",
			   client);
	if (line->zone)
		length += snprintf(ret + length, size - (size_t)length, " %.*s",
				   (int)line->zone_length, line->zone);
	if (line->time_us)
		snprintf(ret + length, size - (size_t)length, " %llu",
			 (unsigned long long)(line->time_us / 1000000));
}

static int check(int number, const char *name, const char *want, const struct log_line *line)
{
	char got[512];
	int good;

	print_line(got, sizeof(got), line);
	good = !strcmp(got, want);
	printf("%s %d - %s\n", good ? "ok" : "not ok", number, name);
	if (!good)
		printf("# want: %s\n# got:  %s\n", want, got);
	return !good;
}

/* Each input in memory of exactly its size, so that a sanitizer sees a read behind its end. */
static void parse_exact(parser_t *parser, const char *text, size_t length, struct log_line *ret)
{
	char *copy = malloc(length ? length : 1);

	if (!copy)
		abort();
	memcpy(copy, text, length);
	memset(ret, 0xff, sizeof(*ret));
	parser(copy, length, ret);
	/* What points into the line does so until the line is gone. */
	if (ret->kind == LOG_LINE_NGINX)
		ret->zone = text + (ret->zone - copy);
	free(copy);
}

static int line_test(int number, const struct line_case *c)
{
	struct log_line line;

	parse_exact(c->parser, c->input, strlen(c->input), &line);
	return check(number, c->name, c->want, &line);
}

/* Every beginning of a good line: none proves anything before the line is whole. */
static int cut_test(int number, const char *name, parser_t *parser, const char *text, size_t whole)
{
	struct log_line line;
	size_t wrong = 0;

	for (size_t length = 0; length <= strlen(text); length++) {
		const bool want = length >= whole;

		parse_exact(parser, text, length, &line);
		if ((line.kind != LOG_LINE_OTHER && line.proven) != want)
			wrong++;
	}
	printf("%s %d - %s\n", wrong ? "not ok" : "ok", number, name);
	if (wrong)
		printf("# %zu beginnings\n", wrong);
	return wrong != 0;
}

#define LONG (1 << 20)

/* A line of 1 MB whose first or last part is a good one. */
static int long_test(int number, const char *name, parser_t *parser, const char *good, bool first,
		     const char *want)
{
	const size_t length = strlen(good);
	struct log_line line;
	char *text = malloc(LONG);
	int failed;

	if (!text)
		abort();
	memset(text, 'A', LONG);
	memcpy(first ? text : text + LONG - length, good, length);
	parse_exact(parser, text, LONG, &line);
	failed = check(number, name, want, &line);
	free(text);
	return failed;
}

static int nul_test(int number, const char *name, const char *text, size_t length, const char *want)
{
	struct log_line line;

	parse_exact(log_line_kernel, text, length, &line);
	return check(number, name, want, &line);
}

int main(void)
{
	static const char nul_inside[] = DROP "API-080 " WAY6 "SRC=2001:db8::7\0x" IP6 PORTS ACK;
	static const char nul_behind[] = GOOD "\0x";
	const int cases = sizeof(line_cases) / sizeof(*line_cases);
	int number = cases, failed = 0;

	setenv("TZ", "UTC0", 1);
	tzset();
	printf("1..%d\n", cases + 7);
	for (int i = 0; i < cases; i++)
		failed += line_test(i + 1, &line_cases[i]);
	failed += cut_test(++number, "a kernel line that is cut anywhere", log_line_kernel, GOOD,
			   sizeof(GOOD) - 1);
	failed += cut_test(++number, "an nginx line that is cut anywhere", log_line_nginx,
			   NGINX_GOOD, sizeof(DATE REQUESTS "client: 203.0.113.7, server: ") - 1);
	failed +=
		long_test(++number, "1 MB behind a kernel line", log_line_kernel, GOOD, true, WANT);
	failed += long_test(++number, "1 MB before a kernel line", log_line_kernel, GOOD, false,
			    "other");
	failed += long_test(++number, "1 MB of an interface's name", log_line_kernel,
			    DROP "API-080 IN=", true, "other");
	failed += nul_test(++number, "a NUL in the source", nul_inside, sizeof(nul_inside) - 1,
			   "other");
	failed += nul_test(++number, "a NUL behind the line", nul_behind, sizeof(nul_behind) - 1,
			   WANT);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
