/* SPDX-License-Identifier: Apache-2.0 */

/* The calls of zk.h: each is written down and goes its way (zkcall.c). */

#include "zk_priv.h"

void zk_get(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_GET, path, to));
}

void zk_exists(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_EXISTS, path, to));
}

void zk_children(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_CHILDREN, path, to));
}

void zk_get_acl(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_GET_ACL, path, to));
}

void zk_sync(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_SYNC, path, to));
}

void zk_create(struct zk *zk, const char *path, struct blob *data,
	       enum zk_mode mode, struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_CREATE, path, to);

	call->data = blob_ref(data);
	call->mode = mode;
	call->ttl_ms = -1;
	zkcall_submit(zk, call);
}

void zk_create_ttl(struct zk *zk, const char *path, struct blob *data,
		   int64_t ttl_ms, struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_CREATE, path, to);

	call->data = blob_ref(data);
	call->mode = ZK_TTL;
	call->ttl_ms = ttl_ms;
	zkcall_submit(zk, call);
}

void zk_set(struct zk *zk, const char *path, struct blob *data, int version,
	    struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_SET, path, to);

	call->data = blob_ref(data);
	call->version = version;
	zkcall_submit(zk, call);
}

void zk_delete(struct zk *zk, const char *path, int version, struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_DELETE, path, to);

	call->version = version;
	zkcall_submit(zk, call);
}

void zk_set_acl(struct zk *zk, const char *path, struct acl *acl, int aversion,
		struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_SET_ACL, path, to);

	call->acl = *acl;
	*acl = (struct acl)ACL_INIT;
	call->version = aversion;
	zkcall_submit(zk, call);
}

void zk_multi(struct zk *zk, struct zk_ops *ops, struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_MULTI, NULL, to);

	call->ops = *ops;
	*ops = (struct zk_ops){0};
	zkcall_submit(zk, call);
}
