/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon under valgrind: a module for LD_PRELOAD.  There /proc/self/exe is
 * valgrind, and so is the name of the process.  The helper is started as
 * $ZNODEFS_BIN, and runs without it.
 */

#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

typedef int spawner(pid_t *pid, const char *path,
		    const posix_spawn_file_actions_t *actions,
		    const posix_spawnattr_t *attr, char *const argv[],
		    char *const envp[]);

__attribute__((constructor)) static void name_process(void)
{
	const char *path = getenv("ZNODEFS_BIN");
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (slash)
		prctl(PR_SET_NAME, slash + 1);
}

int posix_spawn(pid_t *pid, const char *path,
		const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[],
		char *const envp[])
{
	const char *self = getenv("ZNODEFS_BIN");
	spawner *real;

	*(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
	if (!real)
		abort();
	if (self && strcmp(path, "/proc/self/exe") == 0)
		path = self;
	return real(pid, path, actions, attr, argv, envp);
}
