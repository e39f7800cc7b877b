/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "fs.h"
#include "log.h"

static bool has_server(enum zk_state state)
{
	return state == ZK_CONNECTED || state == ZK_READ_ONLY;
}

bool session_is_out_locked(const struct fs *fs)
{
	return !has_server(fs->session.state);
}

/* --- the log ------------------------------------------------------------- */

/* Before the mount is made, whoever mounts says what there is to say. */
static void log_state(struct fs *fs, enum zk_state state, const char *server)
{
	log_msg(fs->serving ? LOG_NOTICE : LOG_DEBUG,
		"session 0x%llx %s%s%s",
		(unsigned long long)zk_session_id(fs->zk), zk_state_name(state),
		server[0] ? ", server " : "", server);
}

/* --- changes ------------------------------------------------------------- */

static void enter_locked(struct fs *fs, enum zk_state state)
{
	struct session *s = &fs->session;

	s->state = state;
	s->since = now_ms();
	s->since_clock = time(NULL);
	if (has_server(state))
		s->connects++;
}

/* Those of another session than the one that is there, if there is one. */
static void lose_locks(struct fs *fs, bool session_changed)
{
	fs_lock(fs);
	lock_lose_locked(fs, session_changed ? fs->session_id : 0);
	fs_unlock(fs);
}

void session_on_state(void *arg, enum zk_state state, bool session_changed)
{
	char server[ZK_SERVER_MAX];
	struct fs *fs = arg;

	zk_server(fs->zk, server);
	fs_lock(fs);
	enter_locked(fs, state);
	fs_unlock(fs);
	log_state(fs, state, server);
	/* The feed is of use only at the server that answers the reads. */
	if (server[0])
		watch_follow(fs, server);
	if (session_changed)
		renew_session_changed(fs, zk_session_id(fs->zk));
	if (session_changed || state == ZK_EXPIRED)
		lose_locks(fs, session_changed);
	if (state == ZK_CONNECTED)
		renew_pump(fs);
}

void session_init(struct fs *fs)
{
	enter_locked(fs, ZK_CONNECTING);
}
