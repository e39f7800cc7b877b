/* SPDX-License-Identifier: Apache-2.0 */
#include "jute.h"

#include <endian.h>
#include <string.h>

struct jute_reader jute_reader(void *buf, size_t len)
{
	uint8_t *p = buf;

	return (struct jute_reader){.pos = p, .end = p + len};
}

bool jute_reader_ok(const struct jute_reader *r)
{
	return !r->bad;
}

size_t jute_remaining(const struct jute_reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->pos);
}

/*
 * The one place that moves the reader.  The comparison is between lengths:
 * a sum of pointers might wrap.
 */
static uint8_t *take(struct jute_reader *r, size_t len)
{
	uint8_t *p = r->pos;

	if (r->bad || len > (size_t)(r->end - r->pos)) {
		r->bad = true;
		return NULL;
	}
	r->pos += len;
	return p;
}

bool jute_get_bool(struct jute_reader *r)
{
	const uint8_t *p = take(r, 1);

	return p && *p;
}

int32_t jute_get_int(struct jute_reader *r)
{
	const uint8_t *p = take(r, sizeof(uint32_t));
	uint32_t v;

	if (!p)
		return 0;
	memcpy(&v, p, sizeof(v)); /* p has no alignment */
	return (int32_t)be32toh(v);
}

int64_t jute_get_long(struct jute_reader *r)
{
	const uint8_t *p = take(r, sizeof(uint64_t));
	uint64_t v;

	if (!p)
		return 0;
	memcpy(&v, p, sizeof(v));
	return (int64_t)be64toh(v);
}

uint8_t *jute_get_buffer(struct jute_reader *r, size_t *len)
{
	int32_t n = jute_get_int(r);
	uint8_t *p;

	*len = 0;
	if (n == -1)
		return NULL;
	if (n < -1) {
		r->bad = true;
		return NULL;
	}
	p = take(r, (size_t)n);
	if (p)
		*len = (size_t)n;
	return p;
}

const char *jute_get_path(struct jute_reader *r)
{
	size_t len;
	uint8_t *p = jute_get_buffer(r, &len);

	if (!p || memchr(p, '\0', len)) {
		r->bad = true;
		return "";
	}
	/* p - 1 is the last byte of the length, which has been read. */
	memmove(p - 1, p, len);
	p[-1 + (ptrdiff_t)len] = '\0';
	return (const char *)(p - 1);
}

struct jute_writer jute_writer(void *buf, size_t len)
{
	uint8_t *p = buf;

	return (struct jute_writer){.start = p, .pos = p, .end = p + len};
}

size_t jute_written(const struct jute_writer *w)
{
	return w->bad ? 0 : (size_t)(w->pos - w->start);
}

static void put(struct jute_writer *w, const void *data, size_t len)
{
	if (w->bad || len > (size_t)(w->end - w->pos)) {
		w->bad = true;
		return;
	}
	if (len) /* memcpy() may not be given NULL, even for nothing */
		memcpy(w->pos, data, len);
	w->pos += len;
}

void jute_put_bool(struct jute_writer *w, bool v)
{
	uint8_t b = v;

	put(w, &b, sizeof(b));
}

void jute_put_int(struct jute_writer *w, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	put(w, &be, sizeof(be));
}

void jute_put_long(struct jute_writer *w, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	put(w, &be, sizeof(be));
}

void jute_put_buffer(struct jute_writer *w, const void *data, size_t len)
{
	if (len > INT32_MAX) {
		w->bad = true;
		return;
	}
	jute_put_int(w, (int32_t)len);
	put(w, data, len);
}

void jute_put_string(struct jute_writer *w, const char *s)
{
	jute_put_buffer(w, s, strlen(s));
}

void jute_begin_frame(struct jute_writer *w)
{
	jute_put_int(w, 0);
}

void jute_end_frame(struct jute_writer *w)
{
	size_t len = jute_written(w);
	uint32_t be;

	if (len < sizeof(be) || len - sizeof(be) > INT32_MAX) {
		w->bad = true;
		return;
	}
	be = htobe32((uint32_t)(len - sizeof(be)));
	memcpy(w->start, &be, sizeof(be));
}
