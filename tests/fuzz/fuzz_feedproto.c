/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the decoder of what the feed hears (src/feedproto.c).
 *
 * The input is a connection's bytes from the first one on: a connect response
 * and then any number of other frames.  Each frame is decoded in an allocation
 * of exactly its size, so that the sanitizers see one byte too many.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "feedproto.h"
#include "fuzz.h"

static void check_connected(void *buf, size_t len)
{
	struct feedproto_connected c;
	int rc = feedproto_decode_connected(buf, len, &c);

	FUZZ_CHECK(rc == 0 || rc == -EBADMSG || rc == -EROFS);
	if (rc == 0 && c.session.id)
		FUZZ_CHECK(c.timeout_ms > 0);
}

static void check_msg(void *buf, size_t len)
{
	const char *start = buf;
	struct feedproto_msg m;
	int rc = feedproto_decode(buf, len, &m);

	FUZZ_CHECK(rc == 0 || rc == -EBADMSG);
	if (rc)
		return;
	if (m.kind == FEEDPROTO_REPLY)
		FUZZ_CHECK(m.xid > 0);
	if (m.kind != FEEDPROTO_EVENT)
		return;
	FUZZ_CHECK(m.type >= FEEDPROTO_CREATED && m.type <= FEEDPROTO_CHILD);
	FUZZ_CHECK(m.path > start && m.path < start + len);
	FUZZ_CHECK(m.path[0] == '/');
	FUZZ_CHECK(m.path + strlen(m.path) < start + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool first = true;

	while (size) {
		uint8_t prefix[FEEDPROTO_PREFIX];
		size_t have = size < sizeof(prefix) ? size : sizeof(prefix);
		uint8_t *frame;
		int len;

		memcpy(prefix, data, have);
		len = feedproto_frame(prefix, have);
		FUZZ_CHECK(len <= FEEDPROTO_FRAME_MAX);
		if (len < 0 || (size_t)len > size - sizeof(prefix))
			break;
		frame = malloc((size_t)len);
		memcpy(frame, data + sizeof(prefix), (size_t)len);
		if (first)
			check_connected(frame, (size_t)len);
		else
			check_msg(frame, (size_t)len);
		first = false;
		free(frame);
		data += sizeof(prefix) + (size_t)len;
		size -= sizeof(prefix) + (size_t)len;
	}
	return 0;
}
