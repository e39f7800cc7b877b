/* SPDX-License-Identifier: Apache-2.0 */
#include "fakelib_priv.h"

#include <arpa/inet.h>
#include <string.h>

/* --- completions --------------------------------------------------------- */

static void add_delivery(struct list *list, struct fakelib_request *r, int code)
{
	struct fakelib_delivery *d = xcalloc(1, sizeof(*d));

	d->request = r;
	d->code = code;
	list_add_tail(list, &d->link);
}

void fakelib_queue_locked(zhandle_t *zh, struct fakelib_request *r, int code)
{
	add_delivery(&zh->queue, r, code);
	r->queued++;
	fakelib_wake_locked(zh->f);
}

static void complete_ok(const struct fakelib_request *r)
{
	struct Stat stat = {
		.czxid = fakelib_stamp(r->path),
		.mzxid = fakelib_stamp(r->path),
		.dataLength = (int32_t)strlen(r->path),
	};
	struct ACL entry = {31, {(char *)"world", r->path}};
	struct ACL_vector acl = {1, &entry};
	char *name = r->path;
	struct String_vector names = {1, &name};

	if (r->reply == DATA)
		r->to.data(ZOK, r->path, stat.dataLength, &stat, r->cookie);
	else if (r->reply == STAT)
		r->to.stat(ZOK, &stat, r->cookie);
	else if (r->reply == CREATED)
		r->to.created(ZOK, r->path, &stat, r->cookie);
	else if (r->reply == SYNCED)
		r->to.synced(ZOK, r->path, r->cookie);
	else if (r->reply == NAMES)
		r->to.names(ZOK, &names, &stat, r->cookie);
	else if (r->reply == ACL_LIST)
		r->to.acl(ZOK, &acl, &stat, r->cookie);
	else
		r->to.plain(ZOK, r->cookie);
}

static void complete_failed(const struct fakelib_request *r, int code)
{
	if (r->reply == DATA)
		r->to.data(code, NULL, 0, NULL, r->cookie);
	else if (r->reply == STAT)
		r->to.stat(code, NULL, r->cookie);
	else if (r->reply == CREATED)
		r->to.created(code, NULL, NULL, r->cookie);
	else if (r->reply == SYNCED)
		r->to.synced(code, NULL, r->cookie);
	else if (r->reply == NAMES)
		r->to.names(code, NULL, NULL, r->cookie);
	else if (r->reply == ACL_LIST)
		r->to.acl(code, NULL, NULL, r->cookie);
	else
		r->to.plain(code, r->cookie);
}

/* The results of a multi are written just before its completion. */
void fakelib_complete(struct fakelib_request *r, int code)
{
	for (int i = 0; r->results && i < r->n_results; i++)
		r->results[i].err = code;
	r->results = NULL;
	if (code == ZOK)
		complete_ok(r);
	else
		complete_failed(r, code);
}

/* --- submits ------------------------------------------------------------- */

/* The completions are queued; @p->first: and have run. */
static void start_locked(zhandle_t *zh, struct fakelib_request *r,
			 const struct fakelib_plan *p)
{
	int64_t deadline = fakelib_deadline();
	int i;

	list_add_tail(&zh->requests, &r->link);
	r->accepted = p->submit_code == ZOK;
	zh->f->counts.pending += r->accepted;
	zh->f->counts.most_pending =
		MAX(zh->f->counts.most_pending, zh->f->counts.pending);
	for (i = 0; i < p->soon; i++)
		fakelib_queue_locked(zh, r, p->code);
	for (i = 0; i < p->parked; i++)
		add_delivery(&zh->parked, r, p->code);
	zh->f->counts.parked += (size_t)p->parked;
	if (pthread_equal(pthread_self(), zh->thread))
		return;
	while (p->first && r->queued > 0)
		fakelib_wait_locked(zh->f, deadline,
				    "a completion does not come to its end");
}

static struct fakelib_request *request_new(const struct fakelib_request *form,
					   const char *path)
{
	struct fakelib_request *r = xcalloc(1, sizeof(*r));

	*r = *form;
	r->path = xstrdup(path);
	return r;
}

static int submit_locked(zhandle_t *zh, const char *path,
			 const struct fakelib_request *form)
{
	struct fakelib *f = zh->f;
	struct fakelib_plan p = {.soon = 1};
	struct fakelib_call call = {
		.path = path,
		.is_change = form->is_change,
		.is_multi = form->results != NULL,
		.nth = f->counts.submitted++,
		.auths = zh->auths,
	};

	fakelib_wake_locked(f);
	f->counts.disconnected += !zh->connected;
	if (f->plan)
		f->plan(f, &call, &p);
	if (zh->dead)
		p = (struct fakelib_plan){.submit_code = ZINVALIDSTATE};
	f->counts.refused += p.submit_code != ZOK;
	if (p.submit_code == ZOK || p.soon > 0 || p.parked > 0)
		start_locked(zh, request_new(form, path), &p);
	return p.submit_code;
}

static int submit(zhandle_t *zh, const char *path,
		  const struct fakelib_request *form)
{
	struct fakelib *f = zh->f;
	int code;

	if (!form->to.plain)
		fakelib_die("a call without a completion");
	if (!path || path[0] != '/')
		return ZBADARGUMENTS;
	fakelib_lock(f);
	if (zh->closing)
		fakelib_die("a call on a handle that is being closed");
	code = submit_locked(zh, path, form);
	fakelib_unlock(f);
	return code;
}

/* --- what the library has ------------------------------------------------ */

int zoo_aget(zhandle_t *zh, const char *path, int watch _unused_,
	     data_completion_t done, const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = DATA,
						.to.data = done,
						.cookie = cookie});
}

int zoo_aexists(zhandle_t *zh, const char *path, int watch _unused_,
		stat_completion_t done, const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = STAT,
						.to.stat = done,
						.cookie = cookie});
}

int zoo_aget_children2(zhandle_t *zh, const char *path, int watch _unused_,
		       strings_stat_completion_t done, const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = NAMES,
						.to.names = done,
						.cookie = cookie});
}

int zoo_aget_acl(zhandle_t *zh, const char *path, acl_completion_t done,
		 const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = ACL_LIST,
						.to.acl = done,
						.cookie = cookie});
}

int zoo_async(zhandle_t *zh, const char *path, string_completion_t done,
	      const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = SYNCED,
						.to.synced = done,
						.cookie = cookie});
}

int zoo_awget(zhandle_t *zh, const char *path, watcher_fn watcher,
	      void *context, data_completion_t done, const void *cookie)
{
	fakelib_lock(zh->f);
	zh->node_watcher = watcher;
	zh->node_context = context;
	fakelib_unlock(zh->f);
	return zoo_aget(zh, path, 0, done, cookie);
}

int zoo_aset(zhandle_t *zh, const char *path, const char *buffer _unused_,
	     int len _unused_, int version _unused_, stat_completion_t done,
	     const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = STAT,
						.to.stat = done,
						.is_change = true,
						.cookie = cookie});
}

int zoo_acreate2_ttl(zhandle_t *zh, const char *path,
		     const char *value _unused_, int len _unused_,
		     const struct ACL_vector *acl, int mode, int64_t ttl,
		     string_stat_completion_t done, const void *cookie)
{
	if ((mode == ZOO_PERSISTENT_WITH_TTL) != (ttl >= 0))
		return ZBADARGUMENTS;
	if (!acl || acl->count == 0)
		return ZINVALIDACL;
	return submit(zh, path,
		      &(struct fakelib_request){.reply = CREATED,
						.to.created = done,
						.is_change = true,
						.cookie = cookie});
}

int zoo_adelete(zhandle_t *zh, const char *path, int version _unused_,
		void_completion_t done, const void *cookie)
{
	return submit(zh, path,
		      &(struct fakelib_request){.reply = PLAIN,
						.to.plain = done,
						.is_change = true,
						.cookie = cookie});
}

int zoo_aset_acl(zhandle_t *zh, const char *path, int version _unused_,
		 struct ACL_vector *acl, void_completion_t done,
		 const void *cookie)
{
	if (acl->count == 0)
		return ZINVALIDACL;
	return submit(zh, path,
		      &(struct fakelib_request){.reply = PLAIN,
						.to.plain = done,
						.is_change = true,
						.cookie = cookie});
}

/* --- multi --------------------------------------------------------------- */

enum { OP_CREATE = 1, OP_DELETE = 2, OP_SET = 5 };

void zoo_create_op_init(zoo_op_t *op, const char *path, const char *value,
			int len, const struct ACL_vector *acl, int mode,
			char *buffer _unused_, int buffer_len _unused_)
{
	op->type = OP_CREATE;
	op->create_op.path = path;
	op->create_op.data = value;
	op->create_op.datalen = len;
	op->create_op.acl = acl;
	op->create_op.flags = mode;
}

void zoo_delete_op_init(zoo_op_t *op, const char *path, int version)
{
	op->type = OP_DELETE;
	op->delete_op.path = path;
	op->delete_op.version = version;
}

void zoo_set_op_init(zoo_op_t *op, const char *path, const char *buffer,
		     int len, int version, struct Stat *stat)
{
	op->type = OP_SET;
	op->set_op.path = path;
	op->set_op.data = buffer;
	op->set_op.datalen = len;
	op->set_op.version = version;
	op->set_op.stat = stat;
}

/* As the library does with an invalid path; each string must be readable. */
static void check_op(const zoo_op_t *op)
{
	const char *path = op->type == OP_CREATE ? op->create_op.path
			   : op->type == OP_SET  ? op->set_op.path
						 : op->delete_op.path;

	if (!path || path[0] != '/' || strlen(path) == 0)
		fakelib_die("a multi with an invalid path");
	if (op->type == OP_CREATE &&
	    (op->create_op.acl->count == 0 ||
	     strlen(op->create_op.acl->data[0].id.scheme) == 0))
		fakelib_die("a multi with an empty ACL");
}

int zoo_amulti(zhandle_t *zh, int count, const zoo_op_t *ops,
	       zoo_op_result_t *results, void_completion_t done,
	       const void *cookie)
{
	for (int i = 0; i < count; i++)
		check_op(&ops[i]);
	memset(results, 0, (size_t)count * sizeof(*results));
	return submit(zh, ops[0].delete_op.path,
		      &(struct fakelib_request){.reply = PLAIN,
						.to.plain = done,
						.is_change = true,
						.results = results,
						.n_results = count,
						.cookie = cookie});
}

/* --- the server ---------------------------------------------------------- */

static socklen_t server_address(const struct fakelib *f,
				struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	if (f->on_ipv6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(2181);
		in6->sin6_addr = in6addr_loopback;
		return sizeof(*in6);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(2181);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*in);
	}
}

const char *zoo_get_current_server(zhandle_t *zh _unused_)
{
	return FAKELIB_READ_ONLY_SERVER;
}

/* As in the library, not of a connection that is read-only. */
struct sockaddr *zookeeper_get_connected_host(zhandle_t *zh,
					      struct sockaddr *addr,
					      socklen_t *addr_len)
{
	struct sockaddr_storage server;
	socklen_t len;

	if (zh->state != ZOO_CONNECTED_STATE)
		return NULL;
	len = server_address(zh->f, &server);
	if (len > *addr_len)
		return NULL;
	memcpy(addr, &server, len);
	*addr_len = len;
	return addr;
}
