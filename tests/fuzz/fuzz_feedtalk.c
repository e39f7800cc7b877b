/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what the feed makes of what it hears (src/feedtalk.c and
 * src/feedset.c), without a socket or a thread.
 *
 * The input is a list of steps, a byte each and what belongs to it: orders of
 * the caller, the feed's own turns, and frames, well-formed and fitting or of
 * arbitrary bytes.  When a frame ends the connection the next one begins.
 */
#include <errno.h>
#include <string.h>

#include "feed_priv.h"
#include "fuzz.h"
#include "jute.h"

enum step {
	WATCH,
	UNWATCH,
	ASK,
	PING,
	HEAR_ANYTHING,
	HEAR_ANSWER,
	HEAR_PONG,
	HEAR_EVENT,
	CONNECT,
	N_STEPS,
};

struct input {
	const uint8_t *data;
	size_t left;
};

static uint8_t next(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

/* Callbacks: the promises of feed.h that can be seen from here. */
struct seen {
	uint64_t up; /* epoch, or 0 */
	struct feed *feed;
};

static void on_up(void *arg, uint64_t epoch)
{
	struct seen *s = arg;

	FUZZ_CHECK(!s->up && epoch == s->feed->epoch);
	s->up = epoch;
}

static void on_down(void *arg, uint64_t epoch, int reason)
{
	(void)arg, (void)epoch, (void)reason;
}

static void on_watching(void *arg, uint64_t epoch, const char *path, int code)
{
	struct seen *s = arg;

	(void)code;
	FUZZ_CHECK(epoch == s->feed->epoch && path[0] == '/');
	/* As a caller might. */
	feed_unwatch(s->feed, path);
	if (path[1] & 1)
		feed_watch(s->feed, path, path[1] & 2);
}

static void on_event(void *arg, enum feedproto_event type, const char *path,
		     int64_t zxid)
{
	(void)arg, (void)zxid;
	FUZZ_CHECK(type >= FEEDPROTO_CREATED && type <= FEEDPROTO_CHILD);
	FUZZ_CHECK(path[0] == '/' && strlen(path) < FEEDPROTO_FRAME_MAX);
}

static void on_unsupported(void *arg)
{
	(void)arg;
}

static const struct feed_ops ops = {
	.up = on_up,
	.down = on_down,
	.watching = on_watching,
	.event = on_event,
	.unsupported = on_unsupported,
};

static void connect_again(struct feed *f, struct seen *s)
{
	feedconn_close(&f->conn);
	feedset_restart(&f->set);
	FUZZ_CHECK(f->set.n_flight == 0);
	f->epoch++;
	f->phase = FEED_HANDSHAKE;
	f->pings_out = 0;
	f->asked = f->answered = false;
	s->up = 0;
}

static int hear(struct feed *f, const void *data, size_t len)
{
	void *frame = malloc(len);
	int rc;

	memcpy(frame, data, len);
	rc = feedtalk_hear(f, frame, len);
	free(frame);
	return rc;
}

static int hear_reply(struct feed *f, int32_t xid, int32_t err)
{
	uint8_t buf[16];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	jute_put_int(&w, xid);
	jute_put_long(&w, 1);
	jute_put_int(&w, err);
	return hear(f, buf, sizeof(buf));
}

static int hear_connected(struct feed *f, uint8_t id)
{
	uint8_t buf[37];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	jute_put_int(&w, 0);
	jute_put_int(&w, 4000);
	jute_put_long(&w, id);
	jute_put_buffer(&w, "sixteen letters.", 16);
	jute_put_bool(&w, id & 1);
	return hear(f, buf, sizeof(buf));
}

static int hear_event(struct feed *f, uint8_t type)
{
	uint8_t buf[28];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	jute_put_int(&w, FEEDPROTO_XID_EVENT);
	jute_put_long(&w, -1);
	jute_put_int(&w, 0);
	jute_put_int(&w, type % 8);
	jute_put_int(&w, 3);
	jute_put_string(&w, "");
	return hear(f, buf, sizeof(buf));
}

static int hear_answer(struct feed *f, uint8_t err)
{
	const struct feedset_watch *w = feedset_oldest(&f->set);

	return hear_reply(f, w ? w->xid : err, err < 128 ? 0 : err - 256);
}

static int hear_anything(struct feed *f, struct input *in)
{
	size_t len = next(in);
	int rc;

	if (len > in->left)
		len = in->left;
	rc = hear(f, in->data, len);
	in->data += len;
	in->left -= len;
	return rc;
}

static void order(struct feed *f, bool watch, uint8_t which)
{
	char path[] = {'/', (char)('a' + which % 8), '\0'};

	if (watch)
		FUZZ_CHECK(feed_watch(f, path, which & 8) == 0);
	else
		feed_unwatch(f, path);
}

static int take_step(struct feed *f, struct input *in)
{
	switch (next(in) % N_STEPS) {
	case WATCH:
		order(f, true, next(in));
		return 0;
	case UNWATCH:
		order(f, false, next(in));
		return 0;
	case ASK:
		return feedtalk_ask(f);
	case PING:
		return f->phase < FEED_WATCHING ? 0 : feedtalk_ping(f);
	case HEAR_ANYTHING:
		return hear_anything(f, in);
	case HEAR_ANSWER:
		return hear_answer(f, next(in));
	case HEAR_PONG:
		return hear_reply(f, FEEDPROTO_XID_PING, 0);
	case HEAR_EVENT:
		return hear_event(f, next(in));
	case CONNECT:
		return f->phase > FEED_HANDSHAKE
			       ? hear_reply(f, FEEDPROTO_XID_AUTH, next(in) & 1)
			       : hear_connected(f, next(in));
	}
	return 0;
}

static void check(struct feed *f)
{
	const struct feedset_watch *w;
	size_t n = 0;

	list_for_each(w, &f->set.flight, link)
		n++;
	FUZZ_CHECK(n == f->set.n_flight && n <= FEED_IN_FLIGHT_MAX);
	FUZZ_CHECK(f->set.n_wanted <= 8 && f->set.initial <= 8);
	FUZZ_CHECK(!f->set.pinned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct feed_auth auth = {"digest", "u:p", 3};
	struct seen seen = {.up = 0};
	struct feed f = {
		.ops = &ops,
		.arg = &seen,
		.auth = &auth,
		.n_auth = next(&in) & 1,
		.wake_fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	seen.feed = &f;
	feedset_init(&f.set);
	feedconn_init(&f.conn);
	connect_again(&f, &seen);
	while (in.left) {
		if (take_step(&f, &in) < 0)
			connect_again(&f, &seen);
		check(&f);
	}
	feedconn_close(&f.conn);
	feedset_clear(&f.set);
	return 0;
}
