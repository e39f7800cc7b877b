/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls in the library's terms: one submit function for each, one completion
 * for each form of reply.  Completions run on the library's completion
 * thread, or on the thread that closes the handle.
 */

#include "zk_priv.h"

#include <errno.h>

/* What the library reads and writes while a multi is under way. */
struct zk_multi_memory {
	struct zk_multi_memory *next; /* buried */
	size_t n;
	zoo_op_t *ops;
	zoo_op_result_t *results;
	struct ACL_vector *acls;
};

/* --- replies ------------------------------------------------------------- */

static struct zstat stat_from_library(const struct Stat *s)
{
	return (struct zstat){
		.czxid = s->czxid,
		.mzxid = s->mzxid,
		.pzxid = s->pzxid,
		.ctime = s->ctime,
		.mtime = s->mtime,
		.version = s->version,
		.cversion = s->cversion,
		.aversion = s->aversion,
		.ephemeral_owner = s->ephemeralOwner,
		.data_length = s->dataLength,
		.num_children = s->numChildren,
	};
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat,
		    const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};
	struct zstat zs;

	if (!call)
		return;
	if (rc == ZOK) {
		zs = stat_from_library(stat);
		r.stat = &zs;
		r.data = blob_from_wire(value, len);
		if (!r.data)
			rc = ZSYSTEMERROR;
	}
	zkcall_complete(zk, call, &r, rc);
	blob_unref(r.data);
}

static void on_created(int rc, const char *path, const struct Stat *stat,
		       const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};
	struct zstat zs;

	if (!call)
		return;
	if (rc == ZOK) {
		zs = stat_from_library(stat);
		r.stat = &zs;
		r.path = path;
	}
	zkcall_complete(zk, call, &r, rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *cookie)
{
	on_created(rc, NULL, stat, cookie);
}

/*
 * The context of a watch is its handle, so that the library, which keeps each
 * function and context once a path, has no more watches than there are paths.
 */
static void on_watch(zhandle_t *zh _unused_, int type, int state _unused_,
		     const char *path, void *context)
{
	if (type != ZOO_SESSION_EVENT)
		zkcall_watch_fired(context, path, type == ZOO_DELETED_EVENT);
}

static void on_watched(int rc, const char *value _unused_, int len _unused_,
		       const struct Stat *stat _unused_, const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};

	if (!call)
		return;
	if (rc == ZOK)
		zkcall_watch(zk, call);
	else
		zkcall_complete(zk, call, &r, rc == ZNONODE ? ZOK : rc);
}

static void on_void(int rc, const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};

	if (call)
		zkcall_complete(zk, call, &r, rc);
}

static void on_synced(int rc, const char *path _unused_, const void *cookie)
{
	on_void(rc, cookie);
}

static void on_children(int rc, const struct String_vector *names,
			const struct Stat *stat, const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};
	struct zstat zs;

	if (!call)
		return;
	if (rc == ZOK) {
		zs = stat_from_library(stat);
		r.stat = &zs;
		r.names = (const char *const *)names->data;
		r.n_names = (size_t)names->count;
	}
	zkcall_complete(zk, call, &r, rc);
}

static int acl_from_library(struct acl *acl, const struct ACL_vector *v)
{
	int32_t i;

	for (i = 0; i < v->count; i++) {
		const struct ACL *a = &v->data[i];
		int rc = acl_add(acl, a->id.scheme, a->id.id, a->perms);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void on_acl(int rc, struct ACL_vector *v, struct Stat *stat _unused_,
		   const void *cookie)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call = zkcall_take(cookie, rc);
	struct zk_result r = {0};
	struct acl acl = ACL_INIT;

	if (!call)
		return;
	if (rc == ZOK && acl_from_library(&acl, v) < 0)
		rc = ZSYSTEMERROR;
	r.acl = rc == ZOK ? &acl : NULL;
	zkcall_complete(zk, call, &r, rc);
	acl_release(&acl);
}

/* --- requests ------------------------------------------------------------ */

/* The library wants an int, and NULL with -1 for null data. */
static const char *wire_data(const struct blob *b, int *len)
{
	*len = b->null ? -1 : (int)b->len;
	return b->null ? NULL : b->data;
}

static int library_mode(enum zk_mode mode)
{
	switch (mode) {
	case ZK_PERSISTENT:
		return ZOO_PERSISTENT;
	case ZK_EPHEMERAL:
		return ZOO_EPHEMERAL;
	case ZK_PERSISTENT_SEQUENTIAL:
		return ZOO_PERSISTENT_SEQUENTIAL;
	case ZK_EPHEMERAL_SEQUENTIAL:
		return ZOO_EPHEMERAL_SEQUENTIAL;
	case ZK_CONTAINER:
		return ZOO_CONTAINER;
	case ZK_TTL:
		return ZOO_PERSISTENT_WITH_TTL;
	}
	return -1;
}

/* The strings stay the property of @acl. */
static int acl_to_library(const struct acl *acl, struct ACL_vector *v)
{
	size_t i;

	v->data = calloc(acl->count, sizeof(*v->data));
	if (!v->data)
		return -ENOMEM;
	v->count = (int32_t)acl->count;
	for (i = 0; i < acl->count; i++) {
		v->data[i].perms = acl->entries[i].perms;
		v->data[i].id.scheme = acl->entries[i].scheme;
		v->data[i].id.id = acl->entries[i].id;
	}
	return 0;
}

static int init_create(zoo_op_t *zop, const struct zk_op *op,
		       struct ACL_vector *own)
{
	const struct ACL_vector *acl = &ZOO_OPEN_ACL_UNSAFE;
	const char *data;
	int len;

	if (op->acl.count > 0) {
		if (acl_to_library(&op->acl, own) < 0)
			return -ENOMEM;
		acl = own;
	}
	data = wire_data(op->data, &len);
	zoo_create_op_init(zop, op->path, data, len, acl,
			   library_mode(op->mode), NULL, 0);
	return 0;
}

static int init_op(struct zk_multi_memory *m, size_t i, const struct zk_op *op)
{
	const char *data;
	int len;

	switch (op->type) {
	case ZK_OP_CREATE:
		return init_create(&m->ops[i], op, &m->acls[i]);
	case ZK_OP_SET:
		data = wire_data(op->data, &len);
		zoo_set_op_init(&m->ops[i], op->path, data, len, op->version,
				NULL);
		return 0;
	case ZK_OP_DELETE:
		zoo_delete_op_init(&m->ops[i], op->path, op->version);
		return 0;
	}
	return -EINVAL;
}

static struct zk_multi_memory *multi_new(const struct zk_ops *ops)
{
	struct zk_multi_memory *m = xcalloc(1, sizeof(*m));

	m->n = ops->n;
	m->ops = calloc(m->n, sizeof(*m->ops));
	m->results = calloc(m->n, sizeof(*m->results));
	m->acls = calloc(m->n, sizeof(*m->acls));
	return m;
}

static void multi_free(struct zk_multi_memory *m)
{
	size_t i;

	for (i = 0; m->acls && i < m->n; i++)
		free(m->acls[i].data);
	free(m->acls);
	free(m->results);
	free(m->ops);
	free(m);
}

void zksend_release(struct zk_call *call)
{
	struct zk_multi_memory *m = steal(call->multi);

	if (m)
		multi_free(m);
}

void zksend_bury(struct zk_call *call, struct zk_handle *h)
{
	struct zk_multi_memory *m = steal(call->multi);

	if (!m)
		return;
	m->next = h->buried;
	h->buried = m;
}

void zksend_release_buried(struct zk_handle *h)
{
	struct zk_multi_memory *m;

	while ((m = h->buried)) {
		h->buried = m->next;
		multi_free(m);
	}
}

static int send_multi(struct zk_call *call, zhandle_t *zh, const void *cookie)
{
	struct zk_multi_memory *m;
	size_t i;

	zksend_release(call); /* of an attempt that was not taken */
	m = call->multi = multi_new(&call->ops);
	if (!m->ops || !m->results || !m->acls)
		return ZSYSTEMERROR;
	for (i = 0; i < m->n; i++)
		if (init_op(m, i, &call->ops.v[i]) < 0)
			return ZSYSTEMERROR;
	return zoo_amulti(zh, (int)m->n, m->ops, m->results, on_void, cookie);
}

static int send_value(struct zk_call *call, zhandle_t *zh, const void *cookie)
{
	int len;
	const char *data = wire_data(call->data, &len);

	if (call->type == ZK_CALL_SET)
		return zoo_aset(zh, call->path, data, len, call->version,
				on_stat, cookie);
	return zoo_acreate2_ttl(zh, call->path, data, len, &ZOO_OPEN_ACL_UNSAFE,
				library_mode(call->mode), call->ttl_ms,
				on_created, cookie);
}

/* The library has written the request when it returns. */
static int send_acl(struct zk_call *call, zhandle_t *zh, const void *cookie)
{
	struct ACL_vector v;
	int rc;

	if (acl_to_library(&call->acl, &v) < 0)
		return ZSYSTEMERROR;
	rc = zoo_aset_acl(zh, call->path, call->version, &v, on_void, cookie);
	free(v.data);
	return rc;
}

int zksend(struct zk_call *call, zhandle_t *zh, const void *cookie)
{
	switch (call->type) {
	case ZK_CALL_GET:
		return zoo_aget(zh, call->path, 0, on_data, cookie);
	case ZK_CALL_EXISTS:
		return zoo_aexists(zh, call->path, 0, on_stat, cookie);
	case ZK_CALL_CHILDREN:
		return zoo_aget_children2(zh, call->path, 0, on_children,
					  cookie);
	case ZK_CALL_GET_ACL:
		return zoo_aget_acl(zh, call->path, on_acl, cookie);
	case ZK_CALL_GONE:
		return zoo_awget(zh, call->path, on_watch, call->handle,
				 on_watched, cookie);
	case ZK_CALL_SYNC:
		return zoo_async(zh, call->path, on_synced, cookie);
	case ZK_CALL_CREATE:
	case ZK_CALL_SET:
		return send_value(call, zh, cookie);
	case ZK_CALL_DELETE:
		return zoo_adelete(zh, call->path, call->version, on_void,
				   cookie);
	case ZK_CALL_SET_ACL:
		return send_acl(call, zh, cookie);
	case ZK_CALL_MULTI:
		return send_multi(call, zh, cookie);
	case ZK_CALL_WAIT:
		break;
	}
	return ZBADARGUMENTS;
}
