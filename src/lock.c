/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "erase.h"
#include "file.h"
#include "fs.h"
#include "log.h"

/* --- the book ------------------------------------------------------------- */

struct lock *lock_find_locked(struct fs *fs, const struct node *node,
			      bool posix, uint64_t owner)
{
	struct lock *lock;

	list_for_each (lock, &fs->locks.locks, in_book) {
		if (lock->node == node && lock->posix == posix &&
		    lock->owner == owner)
			return lock;
	}
	return NULL;
}

static struct lock *lock_new(struct fs *fs, struct node *node, bool posix,
			     uint64_t owner)
{
	struct lock *lock = xcalloc(1, sizeof(*lock));
	uint8_t random[16];

	/* 16 bytes come in one piece once the kernel has any. */
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort();
	lockname_owner(lock->id, random);
	lock->node = node_ref(node);
	lock->posix = posix;
	lock->owner = owner;
	list_add_tail(&fs->locks.locks, &lock->in_book);
	return lock;
}

struct lock *lock_get_locked(struct fs *fs, struct node *node, bool posix,
			     uint64_t owner)
{
	struct lock *lock = lock_find_locked(fs, node, posix, owner);

	if (!lock)
		lock = lock_new(fs, node, posix, owner);
	lock->refs++;
	return lock;
}

void lock_put_locked(struct fs *fs, struct lock **p)
{
	struct lock *lock = steal(*p);

	if (!lock || --lock->refs > 0)
		return;
	list_del(&lock->in_book);
	node_put(&fs->nodes, &lock->node);
	free(lock);
}

/* --- holding -------------------------------------------------------------- */

/* Writes through a handle that holds a lock belong to the lock's session. */
static void bind_locked(struct fs *fs, struct file *file)
{
	struct lock *lock;

	file->session = 0;
	list_for_each (lock, &fs->locks.locks, in_book) {
		if (lock->hold.name && lock->hold.file == file)
			file->session = lock->hold.session;
	}
}

static struct erase *let_go_locked(struct fs *fs, struct lock *lock)
{
	struct lock_hold old = lock->hold;
	struct erase *e;

	lock->hold = (struct lock_hold){0};
	bind_locked(fs, old.file);
	e = erase_locked(fs, lock->node, old.name);
	free(old.name);
	return e;
}

/*
 * What the steps of one system call have fetched stands for a moment where
 * nothing is guarded (NODE_FRESH_MS).  Fetched before the lock was granted, it
 * would be what was there before others had it.
 */
static void forget_fresh_locked(struct fs *fs)
{
	struct file *file;

	list_for_each (file, &fs->files, in_fs)
		file->inode->node->fresh_for = 0;
}

struct erase *lock_hold_locked(struct fs *fs, struct lock *lock,
			       struct lock_hold hold)
{
	struct erase *e = NULL;

	if (lock->hold.name)
		e = let_go_locked(fs, lock);
	else
		lock->refs++;
	lock->hold = hold;
	bind_locked(fs, hold.file);
	forget_fresh_locked(fs);
	return e;
}

struct erase *lock_drop_locked(struct fs *fs, struct lock *lock)
{
	struct erase *e;

	if (!lock || !lock->hold.name)
		return NULL;
	e = let_go_locked(fs, lock);
	lock_put_locked(fs, &lock);
	return e;
}

/* --- the ends of it ------------------------------------------------------- */

struct erase *lock_flush(struct fs *fs, const struct file *file, uint64_t owner)
{
	struct erase *e;

	fs_lock(fs);
	e = lock_drop_locked(
		fs, lock_find_locked(fs, file->inode->node, true, owner));
	fs_unlock(fs);
	erase_pump(fs);
	return e;
}

void lock_release_file(struct fs *fs, const struct file *file)
{
	struct lock *lock, *next;
	struct erase *e;

	fs_lock(fs);
	list_for_each_safe (lock, next, &fs->locks.locks, in_book) {
		if (lock->hold.file != file)
			continue;
		e = lock_drop_locked(fs, lock);
		erase_put_locked(&e);
	}
	fs_unlock(fs);
	erase_pump(fs);
}

static void lose_locked(struct fs *fs, struct lock *lock)
{
	_cleanup_free_ char *path = node_path(lock->node);
	struct file *file = lock->hold.file;

	log_notice("%s: the lock of process %d is lost with its session", path,
		   (int)lock->hold.pid);
	file->lost = true;
	file->error = -EIO;
	free(lock->hold.name);
	lock->hold = (struct lock_hold){0};
	lock_put_locked(fs, &lock);
}

void lock_lose_locked(struct fs *fs, int64_t session)
{
	struct lock *lock, *next;

	list_for_each_safe (lock, next, &fs->locks.locks, in_book) {
		if (lock->hold.name && lock->hold.session != session)
			lose_locked(fs, lock);
	}
}

/* --- questions ------------------------------------------------------------ */

bool lock_is_lost_locked(struct fs *fs, const struct file *file)
{
	return file->lost || (file->session && zk_is_in_doubt(fs->zk));
}

pid_t lock_pid_locked(struct fs *fs, const struct node *node, const char *name)
{
	const struct lock *lock;

	list_for_each (lock, &fs->locks.locks, in_book) {
		if (lock->node == node && lock->hold.name &&
		    strcmp(lock->hold.name, name) == 0)
			return lock->hold.pid;
	}
	return 0;
}

int lock_token_locked(struct fs *fs, const struct inode *inode, pid_t pid,
		      int64_t *czxid)
{
	const struct lock *lock;
	bool own = false;
	int rc = -ENODATA;

	list_for_each (lock, &fs->locks.locks, in_book) {
		const struct lock_hold *h = &lock->hold;

		if (lock->node != inode->node || !h->name || inode->gone)
			continue;
		if (rc == 0 && (own ? h->pid != pid || h->czxid <= *czxid
				    : h->pid != pid && h->czxid <= *czxid))
			continue;
		own |= h->pid == pid;
		*czxid = h->czxid;
		rc = 0;
	}
	return rc;
}

/* --- life ----------------------------------------------------------------- */

void lock_init(struct fs *fs)
{
	char host[256] = "";

	list_init(&fs->locks.locks);
	gethostname(host, sizeof(host) - 1);
	fs->locks.data = blob_new(host, strlen(host));
	if (!fs->locks.data)
		abort();
}

void lock_release_all(struct fs *fs)
{
	struct lock *lock, *next;

	list_for_each_safe (lock, next, &fs->locks.locks, in_book) {
		free(lock->hold.name);
		list_del(&lock->in_book);
		node_put(&fs->nodes, &lock->node);
		free(lock);
	}
	blob_unref(fs->locks.data);
}
