/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_JUTE_H
#define ZNODEFS_JUTE_H

/*
 * Jute, ZooKeeper's encoding: big-endian numbers one after the other, without
 * tags or padding.
 *
 *	bool    1 byte, 0 or 1
 *	int     4 bytes, two's complement
 *	long    8 bytes, two's complement
 *	buffer  an int, the length, and as many bytes; length -1 is null
 *	string  a buffer of UTF-8, without a terminator
 *
 * Both halves work on memory of the caller's, allocate nothing and have a
 * sticky error: after the first value that does not fit, every further call
 * does nothing and getters return 0.  So a record is read or written from one
 * end to the other without a test in between, and asked once at the end:
 *
 *	struct jute_reader r = jute_reader(buf, len);
 *	xid = jute_get_int(&r);
 *	zxid = jute_get_long(&r);
 *	if (!jute_reader_ok(&r))
 *		return -EBADMSG;
 *
 * Nothing outside [buf, buf + len) is ever read or written, whatever it holds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jute_reader {
	uint8_t *pos;
	uint8_t *end;
	bool bad;
};

struct jute_writer {
	uint8_t *start;
	uint8_t *pos;
	uint8_t *end;
	bool bad;
};

/* @buf is not NULL, and not changed but by jute_get_path(). */
struct jute_reader jute_reader(void *buf, size_t len);

/* True while everything asked for was there. */
bool jute_reader_ok(const struct jute_reader *r);

/* Bytes not read yet; 0 after an error. */
size_t jute_remaining(const struct jute_reader *r);

/* Any byte but 0 is true: servers differ. */
bool jute_get_bool(struct jute_reader *r);
int32_t jute_get_int(struct jute_reader *r);
int64_t jute_get_long(struct jute_reader *r);

/*
 * The address of a buffer inside the reader's memory, and its length in @len.
 * NULL and 0 for null, and after an error.  A length below -1 or beyond the
 * end is an error.
 */
uint8_t *jute_get_buffer(struct jute_reader *r, size_t *len);

/*
 * A string as C has it: its bytes are moved down by one, over the last byte of
 * their own length field, to make room for the terminator.  So nothing is
 * copied elsewhere, and it can be done once only.  Null and a NUL inside are
 * errors: what is returned then is "".
 */
const char *jute_get_path(struct jute_reader *r);

struct jute_writer jute_writer(void *buf, size_t len);

/* Bytes written, or 0 if they did not all fit. */
size_t jute_written(const struct jute_writer *w);

void jute_put_bool(struct jute_writer *w, bool v);
void jute_put_int(struct jute_writer *w, int32_t v);
void jute_put_long(struct jute_writer *w, int64_t v);

/* @data may be NULL if @len is 0; that is an empty buffer, not null. */
void jute_put_buffer(struct jute_writer *w, const void *data, size_t len);
void jute_put_string(struct jute_writer *w, const char *s);

/*
 * A frame is an int, the length, before everything else.  jute_begin_frame()
 * leaves room for it, jute_end_frame() fills it in.  One per writer.
 */
void jute_begin_frame(struct jute_writer *w);
void jute_end_frame(struct jute_writer *w);

#endif
