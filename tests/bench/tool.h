/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_BENCH_TOOL_H
#define ZNODEFS_BENCH_TOOL_H

/*
 * What the two programs of the benchmark have in common: commands on standard
 * input, one a line, words separated by blanks; the answer to each is one line
 * of numbers.  Times are nanoseconds of CLOCK_MONOTONIC, which all processes
 * of a machine share, so the driver's own speed is in none of them.
 *
 * Anything that goes wrong ends the program with a line on stderr.
 */

#include <stddef.h>
#include <stdint.h>

#define TOOL_WORDS_MAX 8

struct tool_command {
	const char *name;
	int args; /* how many words follow the name */
	void (*run)(char **args);
};

/* Serve until standard input ends.  @commands ends with a NULL name. */
int tool_serve(const struct tool_command *commands);

int64_t tool_now(void);
/* Add a number to the line that answers the command. */
void tool_say(int64_t number);
/* What has been said so far, as a line of its own: the caller may go on. */
void tool_flush(void);
/* Prints @what, with the reason if @rc is an errno, and exits. */
void tool_die(const char *what, int rc) __attribute__((noreturn));

/* A word that is a number, not negative. */
long tool_number(const char *word);
/* The name of the @i-th file, "n000042", below @dir. */
void tool_path(char *buf, size_t size, const char *dir, long i);

#endif
