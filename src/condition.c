/* SPDX-License-Identifier: Apache-2.0 */
#include "condition.h"

static bool has_handle(const struct inode *inode, pid_t process)
{
	const struct file *file;

	chain_for_each (file, &inode->files, in_inode) {
		if (file->process == process)
			return true;
	}
	return false;
}

/* The first in line that has a handle; 0: none has. */
static pid_t whose(const struct inode *inode, const pid_t *line, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (has_handle(inode, line[i]))
			return line[i];
	}
	return 0;
}

static void set_all(struct inode *inode, pid_t process,
		    enum file_condition condition, int32_t version)
{
	struct file *file;

	chain_for_each (file, &inode->files, in_inode) {
		if (file->process != process)
			continue;
		file->condition = condition;
		file->if_version = version;
		/* What was only opened to truncate is still to be written. */
		if (condition == FILE_IF && file->dirty && !file->bare)
			file->condition = FILE_IF_LATER;
	}
}

bool condition_put_locked(struct inode *inode, const pid_t *line, size_t n,
			  int32_t version)
{
	pid_t process = whose(inode, line, n);

	if (process)
		set_all(inode, process, FILE_IF, version);
	return process != 0;
}

void condition_drop_locked(struct inode *inode, const pid_t *line, size_t n)
{
	pid_t process = whose(inode, line, n);

	if (process)
		set_all(inode, process, FILE_ALWAYS, 0);
}

bool condition_take_locked(struct file *file, int32_t *version)
{
	if (file->condition == FILE_IF_LATER)
		file->condition = FILE_IF;
	else if (file->condition == FILE_IF) {
		*version = file->if_version;
		set_all(file->inode, file->process, FILE_ALWAYS, 0);
		return true;
	}
	return false;
}
