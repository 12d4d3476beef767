// SPDX-License-Identifier: GPL-2.0-or-later
// Lines of the kernel log and of nginx's error log that name a client: read strictly, or not at all.
#include "log_line.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

/* What is left of a line. Every function below consumes what it knows, or says no. */
struct cursor {
	const char *at;
	const char *end;
};

static inline bool skip(struct cursor *line, const char *word, size_t length)
{
	if ((size_t)(line->end - line->at) < length || memcmp(line->at, word, length))
		return false;
	line->at += length;
	return true;
}

/* A constant length turns memcmp into one or two compares. */
#define SKIP(line, word) skip(line, word, sizeof(word) - 1)

/* The rest of a word and the space behind it. */
static inline bool skip_word(struct cursor *line)
{
	const char *space = memchr(line->at, ' ', (size_t)(line->end - line->at));

	if (!space)
		return false;
	line->at = space + 1;
	return true;
}

static inline bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 1 to 20 digits: what the kernel's %u and nginx's %uA print. */
static inline bool skip_digits(struct cursor *line)
{
	const char *first = line->at;

	while (line->at < line->end && digit(*line->at))
		line->at++;
	return line->at > first && line->at - first <= 20;
}

/* --- addresses ------------------------------------------------------------------------------- */

/*
 * Own parsers for the two forms that the kernel prints: inet_pton() wants a copy with a NUL, and both together cost as
 * much as all the rest of a line.
 */
static inline bool octet(struct cursor *line, uint8_t *ret)
{
	unsigned int value, digits = 1;

	if (line->at == line->end || !digit(*line->at))
		return false;
	value = (unsigned int)(*line->at++ - '0');
	while (line->at < line->end && digit(*line->at)) {
		if (!value || ++digits > 3)
			return false;
		value = value * 10 + (unsigned int)(*line->at++ - '0');
	}
	*ret = (uint8_t)value;
	return value <= 255;
}

static bool dotted_quad(struct cursor *line, uint8_t ret[16])
{
	return octet(line, &ret[0]) && SKIP(line, ".") && octet(line, &ret[1]) && SKIP(line, ".") &&
	       octet(line, &ret[2]) && SKIP(line, ".") && octet(line, &ret[3]);
}

static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

#define FULL_LENGTH 39

/* %pI6: eight groups of four digits, never shortened (lib/vsprintf.c). */
static bool full_ipv6(const char *text, uint8_t ret[16])
{
	for (int i = 0; i < 8; i++, text += 5) {
		unsigned int a = hex_values[(uint8_t)text[0]], b = hex_values[(uint8_t)text[1]],
			     c = hex_values[(uint8_t)text[2]], d = hex_values[(uint8_t)text[3]];

		if (!a || !b || !c || !d || (i < 7 && text[4] != ':'))
			return false;
		ret[2 * i] = (uint8_t)((a - 1) << 4 | (b - 1));
		ret[2 * i + 1] = (uint8_t)((c - 1) << 4 | (d - 1));
	}
	return true;
}

/* As nginx prints it, and as anything else may: a zone id is refused, for it makes the address one of another host. */
static bool short_ipv6(const char *text, size_t length, uint8_t ret[16])
{
	char copy[INET6_ADDRSTRLEN];

	if (length >= sizeof(copy) || memchr(text, '\0', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return inet_pton(AF_INET6, copy, ret) == 1;
}

static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
static const uint8_t zeros[8];

/*
 * Whether an address is that of one client. ::/64 holds the unspecified address, loopback, and with ::ffff:0:0/96 all
 * of IPv4; one /64 of NAT64 (RFC 6052) is all of IPv4 too; fe80::/64 is every neighbour on every link.
 */
static bool is_client(const struct prefix *address)
{
	const uint8_t *bytes = address->address;

	if (!address->ipv6)
		return bytes[0] && bytes[0] != 127 && bytes[0] < 224;
	return memcmp(bytes, zeros, sizeof(zeros)) && memcmp(bytes, nat64, sizeof(nat64)) &&
	       bytes[0] != 0xff && !(bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

/* An address up to, and not with, the character that ends it. */
static inline bool skip_address(struct cursor *line, char terminator, struct prefix *ret)
{
	struct cursor start = *line;
	const char *end;

	memset(ret, 0, sizeof(*ret));
	ret->bits = 32;
	if (dotted_quad(line, ret->address) && line->at < line->end && *line->at == terminator)
		return true;
	*line = start;
	memset(ret, 0, sizeof(*ret));
	ret->ipv6 = true;
	ret->bits = 128;
	if (line->end - line->at > FULL_LENGTH && line->at[FULL_LENGTH] == terminator &&
	    full_ipv6(line->at, ret->address)) {
		line->at += FULL_LENGTH;
		return true;
	}
	end = memchr(line->at, terminator, (size_t)(line->end - line->at));
	if (!end || !short_ipv6(line->at, (size_t)(end - line->at), ret->address))
		return false;
	line->at = end;
	return true;
}

/* --- kernel ---------------------------------------------------------------------------------- */

/*
 * What a line of each rule proves of its source: verdict.nft says who gets there. Two ids prove something, any other
 * nothing; of those that exist, because:
 *   API-020, 030  the first packet of anyone who uses a blocked address, before any handshake
 *   API-040       malformed packets: nobody who forges one needs an answer
 *   API-050, 060  new connections and QUIC handshakes: one packet each, so the source can be forged
 *   API-070       open connections: counted on the SYN
 *   API-090       short turns: a download over a fast line sends these too
 *   API-100       the subnet: an attacker's neighbours are throttled with it
 *   API-110       a partner: many users behind one address
 *   API-120       the meter is full: says nothing about this source
 *   API-131       the blocklist is full; never logged
 *   API-150, 160  newcomers while there was no room: whoever they are, they came at the wrong time
 */
#define RULE_REQUESTS "API-080"
#define RULE_PROMOTION "API-130"

#define RULE_LENGTH 7

static inline bool skip_rule(struct cursor *line, char ret[8])
{
	const char *text = line->at;

	if (line->end - text <= RULE_LENGTH || memcmp(text, "API-", 4) || !digit(text[4]) ||
	    !digit(text[5]) || !digit(text[6]) || text[7] != ' ')
		return false;
	memcpy(ret, text, RULE_LENGTH);
	ret[RULE_LENGTH] = '\0';
	line->at += RULE_LENGTH + 1;
	return true;
}

/*
 * IN= to the address: nf_log_dump_packet_common() and dump_ipv[46]_mac_header() in net/netfilter/nf_log_syslog.c.
 * An interface's name has no space (dev_valid_name), so each value is one word. What a packet carries, and an ICMP error
 * quotes, comes after this.
 */
static inline bool skip_to_source(struct cursor *line)
{
	if (!SKIP(line, "IN=") || !skip_word(line) || !SKIP(line, "OUT=") || !skip_word(line))
		return false;
	if (SKIP(line, "PHYSIN=") && !skip_word(line))
		return false;
	if (SKIP(line, "PHYSOUT=") && !skip_word(line))
		return false;
	if (SKIP(line, "MAC=") && !skip_word(line))
		return false;
	if (SKIP(line, "TUNNEL=") && !skip_word(line))
		return false;
	return SKIP(line, "SRC=");
}

/* To the next word that begins with a letter: memchr is faster than to read the numbers between. */
static inline bool skip_to(struct cursor *line, char first)
{
	const char *at = memchr(line->at, first, (size_t)(line->end - line->at));

	if (!at || at[-1] != ' ')
		return false;
	line->at = at;
	return true;
}

/*
 * "DST=... LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=1 DPT=443 WINDOW=64240 RES=0x00 ACK PSH URGP=0 ":
 * a segment that acknowledges what was sent to its source. A SYN can be forged, and so can a reset that never had a
 * connection. The flags come in the order of nf_log_dump_tcp_header(), which is not asked for; a line that was cut
 * short has no URGP=.
 */
static bool acknowledges(struct cursor *line, bool ipv6)
{
	bool ack = false;

	if (!SKIP(line, " DST=") || !skip_word(line) || !SKIP(line, "LEN=") || !skip_digits(line))
		return false;
	if (ipv6) {
		if (!SKIP(line, " TC=") || !skip_digits(line) || !SKIP(line, " HOPLIMIT=") ||
		    !skip_digits(line) || !SKIP(line, " FLOWLBL="))
			return false;
	} else {
		if (!SKIP(line, " TOS=0x") || !skip_to(line, 'P') || !SKIP(line, "PREC=0x"))
			return false;
	}
	if (!skip_to(line, 'P') || !SKIP(line, "PROTO=TCP SPT=") || !skip_digits(line) ||
	    !SKIP(line, " DPT=") || !skip_digits(line) || !skip_to(line, 'R') ||
	    !SKIP(line, "RES=0x") || !skip_word(line))
		return false;
	for (;;) {
		if (SKIP(line, "ACK "))
			ack = true;
		else if (!SKIP(line, "PSH ") && !SKIP(line, "CWR ") && !SKIP(line, "ECE ") &&
			 !SKIP(line, "URG ") && !SKIP(line, "FIN "))
			break;
	}
	return ack && SKIP(line, "URGP=") && skip_digits(line) && SKIP(line, " ");
}

/*
 * log_line_kernel - a line that the rules or the promotion logged: "nft-api-drop: API-080 IN=...".
 *
 * text: any length bytes, without a NUL at the end; it must come from the kernel, which the line itself cannot show.
 * ret: client is what prefix_client() makes of the source; proven says that a drop was over the limit on requests of an
 * established connection, or that the rules put the source on the blocklist themselves; time_us is 0.
 * A line that does not begin with the prefix and an id, or names no client, is LOG_LINE_OTHER.
 */
void log_line_kernel(const char *text, size_t length, struct log_line *ret)
{
	struct cursor line = { text, text + length };
	enum log_line_kind kind;
	struct prefix source;

	ret->kind = LOG_LINE_OTHER;
	if (SKIP(&line, "nft-api-drop: "))
		kind = LOG_LINE_DROP;
	else if (SKIP(&line, "nft-api-block: "))
		kind = LOG_LINE_BLOCK;
	else
		return;
	if (!skip_rule(&line, ret->rule) || !skip_to_source(&line) ||
	    !skip_address(&line, ' ', &source) || !is_client(&source))
		return;
	if (kind == LOG_LINE_DROP)
		ret->proven = !memcmp(ret->rule, RULE_REQUESTS, sizeof(RULE_REQUESTS)) &&
			      acknowledges(&line, source.ipv6);
	else
		ret->proven = !memcmp(ret->rule, RULE_PROMOTION, sizeof(RULE_PROMOTION));
	ret->client = prefix_client(&source);
	ret->time_us = 0;
	ret->zone = NULL;
	ret->zone_length = 0;
	ret->kind = kind;
}

/* --- nginx ----------------------------------------------------------------------------------- */

static bool two_digits(struct cursor *line, int *ret)
{
	if (line->end - line->at < 2 || !digit(line->at[0]) || !digit(line->at[1]))
		return false;
	*ret = (line->at[0] - '0') * 10 + (line->at[1] - '0');
	line->at += 2;
	return true;
}

/* A day that does not exist is refused here: mktime() would find another one for it. */
static bool day_exists(const struct tm *date, int year)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return date->tm_mon >= 0 && date->tm_mon < 12 && date->tm_mday >= 1 &&
	       date->tm_mday <= days[date->tm_mon] + (leap && date->tm_mon == 1);
}

/* "2026/11/21 10:00:00": the writer's local time, so of the hour that clocks go through twice it is one of the two. */
static bool skip_time(struct cursor *line, uint64_t *ret_us)
{
	struct tm tm = { .tm_isdst = -1 };
	int century, years;
	time_t seconds;

	if (!two_digits(line, &century) || !two_digits(line, &years) || !SKIP(line, "/") ||
	    !two_digits(line, &tm.tm_mon) || !SKIP(line, "/") || !two_digits(line, &tm.tm_mday) ||
	    !SKIP(line, " ") || !two_digits(line, &tm.tm_hour) || !SKIP(line, ":") ||
	    !two_digits(line, &tm.tm_min) || !SKIP(line, ":") || !two_digits(line, &tm.tm_sec))
		return false;
	tm.tm_year = century * 100 + years - 1900;
	tm.tm_mon--;
	if (!day_exists(&tm, century * 100 + years) || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return false;
	seconds = mktime(&tm);
	if (seconds <= 0)
		return false;
	*ret_us = (uint64_t)seconds * 1000000;
	return true;
}

/* limit_req_log_level and limit_conn_log_level take these four. */
static bool skip_level(struct cursor *line)
{
	return SKIP(line, " [error] ") || SKIP(line, " [warn] ") || SKIP(line, " [notice] ") ||
	       SKIP(line, " [info] ");
}

/* The name of a zone is the operator's: no quote, nothing that is no text. */
static bool skip_zone(struct cursor *line, struct log_line *ret)
{
	const char *first = line->at;

	while (line->at < line->end && *line->at != '"') {
		if (iscntrl((unsigned char)*line->at))
			return false;
		line->at++;
	}
	ret->zone = first;
	ret->zone_length = (size_t)(line->at - first);
	return ret->zone_length;
}

/* "DATE [error] 1234#1234: *56" */
static bool skip_head(struct cursor *line, uint64_t *ret_us)
{
	return skip_time(line, ret_us) && skip_level(line) && skip_digits(line) &&
	       SKIP(line, "#") && skip_digits(line) && SKIP(line, ": *") && skip_digits(line);
}

/*
 * log_line_nginx_plain - whether a line begins like a message that holds nothing decoded, and so no newline of a client's.
 *
 * nginx writes a message of at most LOG_LINE_NGINX_MAX bytes in one piece (NGX_MAX_ERROR_STR in ngx_log.h). So a line before which
 * there are so many bytes of lines that are plain is not the inside of another message, whose first line would not be plain.
 */
bool log_line_nginx_plain(const char *text, size_t length)
{
	struct cursor line = { text, text + length };
	uint64_t time_us;

	return skip_head(&line, &time_us) &&
	       (SKIP(&line, " limiting requests, ") || SKIP(&line, " limiting connections") ||
		SKIP(&line, " delaying request, "));
}

/*
 * log_line_nginx - "DATE [error] 1234#1234: *56 limiting requests, excess: 20.500 by zone "api", client: ADDRESS,
 * server: ...", or "limiting connections by zone ...".
 *
 * text: any length bytes, without a NUL at the end, and from the beginning of what nginx wrote in one piece. What a
 * client controls (the request, the host, the referrer) comes behind "server: "; but nginx writes a decoded path into
 * other lines as it is, newlines and all, so in a file and in a stream that is cut at newlines a client can write a
 * whole line of its own, seen with nginx 1.22. A zone's name that nobody can guess, in ret->zone, tells them apart, and so
 * does log_line_nginx_plain of the lines before.
 * ret: proven is true: the connection exists, or there would be no request. The limit is the client's own only where
 * the zone's key is its address. A dry run and a delay are LOG_LINE_OTHER, as nobody was refused
 * (ngx_http_limit_req_module.c, ngx_http_limit_conn_module.c); so is "client: unix:".
 */
void log_line_nginx(const char *text, size_t length, struct log_line *ret)
{
	struct cursor line = { text, text + length };
	struct prefix source;

	ret->kind = LOG_LINE_OTHER;
	if (!skip_head(&line, &ret->time_us) || !SKIP(&line, " limiting "))
		return;
	if (SKIP(&line, "requests, excess: ")) {
		/* %ui.%03ui */
		if (!skip_digits(&line) || !SKIP(&line, ".") || !skip_digits(&line))
			return;
	} else if (!SKIP(&line, "connections")) {
		return;
	}
	if (!SKIP(&line, " by zone \"") || !skip_zone(&line, ret) || !SKIP(&line, "\", client: ") ||
	    !skip_address(&line, ',', &source) || !SKIP(&line, ", server: ") || !is_client(&source))
		return;
	ret->client = prefix_client(&source);
	ret->rule[0] = '\0';
	ret->proven = true;
	ret->kind = LOG_LINE_NGINX;
}
