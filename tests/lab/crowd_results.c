// SPDX-License-Identifier: GPL-2.0-or-later
// What became of a request, counted.
#include "crowd.h"

#include <errno.h>
#include <string.h>

static enum failure failure_of_errno(long error, enum failure otherwise)
{
	switch (error) {
	case ECONNREFUSED:
		return FAILURE_REFUSED;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return FAILURE_RESET;
	case ETIMEDOUT:
		return FAILURE_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EACCES:
	case EPERM:
		return FAILURE_UNREACHABLE;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return FAILURE_LOCAL;
	default:
		return otherwise;
	}
}

enum failure failure_of(const struct request *request, CURLcode result)
{
	long error = 0;

	curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &error);
	switch (result) {
	case CURLE_OPERATION_TIMEDOUT:
		return FAILURE_TIMEOUT;
	case CURLE_COULDNT_CONNECT:
		return failure_of_errno(error, FAILURE_OTHER);
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
		/* OpenSSL swallows the errno of a reset; all that is left is libcurl's text. */
		if (strstr(request->error, strerror(ECONNRESET)) ||
		    strstr(request->error, strerror(EPIPE)))
			return FAILURE_RESET;
		if (result == CURLE_SSL_CONNECT_ERROR && strstr(request->error, "alert"))
			return FAILURE_TLS;
		return failure_of_errno(error, FAILURE_CLOSED);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return FAILURE_CLOSED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
		return FAILURE_TLS;
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return FAILURE_HTTP2;
	case CURLE_INTERFACE_FAILED:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		return FAILURE_LOCAL;
	default:
		return FAILURE_OTHER;
	}
}

void count_failure(struct client *client, enum failure failure)
{
	client->group->stats.failed++;
	client->group->stats.failures[failure]++;
	client->source->failed++;
}

/* What was transferred counts, however it ended. */
void count_transfer(struct request *request)
{
	struct stats *stats = &request->client->group->stats;
	curl_off_t up = 0, down = 0;
	long connections = 0;

	curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS, &connections);
	curl_easy_getinfo(request->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(request->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	stats->connections += (uint64_t)connections;
	stats->bytes_up += (uint64_t)up;
	stats->bytes_down += (uint64_t)down;
}

/* Counts a finished request; true if it was ok. */
bool count_result(struct request *request, CURLcode result, uint64_t now)
{
	struct client *client = request->client;
	struct crowd *crowd = client->group->crowd;
	struct stats *stats = &client->group->stats;
	long status = 0, version = 0;

	count_transfer(request);
	if (result != CURLE_OK) {
		count_failure(client, failure_of(request, result));
		return false;
	}
	if (client->group->http2) {
		curl_easy_getinfo(request->easy, CURLINFO_HTTP_VERSION, &version);
		if (version != CURL_HTTP_VERSION_2_0) {
			count_failure(client, FAILURE_HTTP2);
			return false;
		}
	}
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2) {
		stats->failed++;
		client->source->failed++;
		if (status > 0 && status < HTTP_STATUS_MAX)
			stats->http[status]++;
		else
			stats->failures[FAILURE_OTHER]++;
		return false;
	}
	stats->ok++;
	stats->ok_in_window += !crowd->stopping;
	client->source->ok++;
	latency_add(&stats->latency, now - client->due_us);
	return true;
}
