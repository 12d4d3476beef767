// SPDX-License-Identifier: GPL-2.0-or-later
// Fuzzes both parsers of helpers/lib/log_line.c: whatever the bytes, nothing is proven that the line does not say.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/lib/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const good_lines[] = {
	"nft-api-drop: API-080 IN=eth0 OUT= MAC=52:54:00:12:34:56:52:55:0a:00:02:02:08:00 SRC=198.51.100.7 "
	"DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=1 DPT=443 WINDOW=64240 "
	"RES=0x00 ACK PSH URGP=0 ",
	"nft-api-drop: API-080 IN=eth0 OUT= SRC=2001:0db8:0001:0002:0000:0000:0000:0007 "
	"DST=2001:0db8:ffff:0000:0000:0000:0000:0001 LEN=72 TC=0 HOPLIMIT=64 FLOWLBL=1 PROTO=TCP SPT=1 "
	"DPT=443 WINDOW=1 RES=0x00 ACK URGP=0 ",
	"nft-api-block: API-130 IN=eth0 OUT= MAC= SRC=2001:db8::7 DST=",
	"2026/11/21 10:00:00 [error] 1234#1234: *56 limiting requests, excess: 20.500 by zone \"api\", "
	"client: 203.0.113.7, server: x, request: \"GET / HTTP/1.1\", host: \"x\"",
	"2026/11/21 10:00:00 [warn] 1#1: *1 limiting connections by zone \"addr\", client: 2001:db8::7, "
	"server: x",
};

#define GOOD_LINES (sizeof(good_lines) / sizeof(*good_lines))

static void require(bool fact)
{
	if (!fact)
		abort();
}

static bool begins(const char *text, size_t length, const char *word)
{
	return length >= strlen(word) && !memcmp(text, word, strlen(word));
}

static bool holds(const char *text, size_t length, const char *word)
{
	return memmem(text, length, word, strlen(word));
}

/* A client is one that can be blocked: canonical, and none of the addresses that are many hosts or none. */
static void check_client(const struct prefix *client)
{
	const struct prefix again = prefix_client(client);
	const size_t length = client->ipv6 ? 8 : 4;

	require(prefix_is_client(client));
	require(!prefix_compare(&again, client));
	for (size_t i = length; i < sizeof(client->address); i++)
		require(!client->address[i]);
	if (client->ipv6)
		require(client->address[0] != 0xff &&
			!(client->address[0] == 0xfe && (client->address[1] & 0xc0) == 0x80) &&
			memcmp(client->address, &(uint64_t){ 0 }, 8));
	else
		require(client->address[0] && client->address[0] != 127 &&
			client->address[0] < 224);
}

static void check_kernel(const char *text, size_t length)
{
	struct log_line line;
	char source[PREFIX_TEXT_MAX + 8];

	log_line_kernel(text, length, &line);
	if (line.kind == LOG_LINE_OTHER)
		return;
	require(line.kind == LOG_LINE_DROP ? begins(text, length, "nft-api-drop: API-") :
					     begins(text, length, "nft-api-block: API-"));
	require(strlen(line.rule) == 7 && holds(text, length, line.rule) && !line.zone &&
		!line.time_us);
	check_client(&line.client);
	if (!line.client.ipv6) {
		strcpy(source, " SRC=");
		prefix_print(source + strlen(source), &line.client);
		strcat(source, " ");
		require(holds(text, length, source));
	}
	if (!line.proven)
		return;
	if (line.kind == LOG_LINE_BLOCK) {
		require(!strcmp(line.rule, "API-130"));
		return;
	}
	require(!strcmp(line.rule, "API-080") && holds(text, length, " PROTO=TCP SPT=") &&
		holds(text, length, " ACK ") && holds(text, length, " URGP="));
}

static void check_nginx(const char *text, size_t length)
{
	struct log_line line;
	char client[PREFIX_TEXT_MAX + 16];

	log_line_nginx(text, length, &line);
	if (line.kind == LOG_LINE_OTHER)
		return;
	require(line.kind == LOG_LINE_NGINX && line.proven && !line.rule[0] && line.time_us);
	require(text[4] == '/' && text[7] == '/' && holds(text, length, "] ") &&
		holds(text, length, " limiting ") &&
		!holds(text, (size_t)(line.zone - text), "dry run"));
	require(line.zone_length && line.zone > text && line.zone[-1] == '"' &&
		line.zone + line.zone_length < text + length &&
		line.zone[line.zone_length] == '"' && !memchr(line.zone, '"', line.zone_length) &&
		!memchr(text, '\n', (size_t)(line.zone - text)));
	check_client(&line.client);
	if (!line.client.ipv6) {
		strcpy(client, "\", client: ");
		prefix_print(client + strlen(client), &line.client);
		strcat(client, ", server: ");
		require(begins(line.zone + line.zone_length,
			       length - (size_t)(line.zone - text) - line.zone_length, client));
	}
}

/*
 * The first byte chooses: a parser, and either the bytes as they are or a good line in which they stand in for a part,
 * so that the fuzzer needs no seeds to get behind the beginning.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *good;
	size_t from, gone, length;
	char *text;

	if (size < 3)
		return 0;
	good = good_lines[data[0] / 4 % GOOD_LINES];
	from = data[0] & 2 ? data[1] % strlen(good) : 0;
	gone = data[0] & 2 ? data[2] % (strlen(good) - from + 1) : strlen(good);
	length = from + size - 3 + strlen(good) - from - gone;
	text = malloc(length ? length : 1);
	if (!text)
		return 0;
	memcpy(text, good, from);
	memcpy(text + from, data + 3, size - 3);
	memcpy(text + from + size - 3, good + from + gone, strlen(good) - from - gone);
	if (data[0] & 1)
		check_kernel(text, length);
	else
		check_nginx(text, length);
	free(text);
	return 0;
}
