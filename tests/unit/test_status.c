/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of `.znodefs`, from numbers alone. */
#include "status.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const char *const states[] = {"connected", "lost", NULL};

static struct status example(void)
{
	struct status s = {
		.version = "1.2.3",
		.state = "lost",
		.since = 1700000000,
		.seconds = 61,
		.server = "",
		.session = 0xfeedfacecafebeefULL,
		.session_timeout_ms = 1500,
		.feed = "down",
		.feed_server = "10.0.0.7:2181",
	};
	int i;

	for (i = 0; i < STATUS_NUMBERS; i++)
		s.n[i] = 100 + (unsigned)i;
	return s;
}

static void assert_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);

	ck_assert_msg(found && (found == text || found[-1] == '\n'),
		      "no line \"%s\" in:\n%s", line, text);
}

START_TEST(test_status_lines)
{
	struct status s = example();
	char *text = status_text(&s);

	ck_assert_ptr_nonnull(text);
	assert_line(text, "version 1.2.3\n");
	assert_line(text, "state lost\n");
	assert_line(text, "since 2023-11-14T22:13:20Z\n");
	assert_line(text, "seconds 61\n");
	assert_line(text, "session 0xfeedfacecafebeef\n");
	assert_line(text, "session_timeout_ms 1500\n");
	assert_line(text, "strict no\n");
	assert_line(text, "feed_server 10.0.0.7:2181\n");
	assert_line(text, "messages 100\n");
	free(text);
}
END_TEST

/* A script that splits at the space never finds too few words. */
START_TEST(test_every_line_has_two_words)
{
	struct status s = example();
	char *text = status_text(&s), *rest = text, *line;
	int n = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		char *space = strchr(line, ' ');

		ck_assert_msg(space && space > line && space[1] &&
				      !strchr(space + 1, ' '),
			      "line \"%s\"", line);
		n++;
	}
	ck_assert_int_eq(n, 10 + STATUS_NUMBERS);
	free(text);
}
END_TEST

START_TEST(test_metrics_lines)
{
	struct status s = example();
	char *text = status_metrics(&s, states);

	ck_assert_ptr_nonnull(text);
	assert_line(text, "znodefs_info{version=\"1.2.3\"} 1\n");
	assert_line(text, "znodefs_state{state=\"connected\"} 0\n");
	assert_line(text, "znodefs_state{state=\"lost\"} 1\n");
	assert_line(text, "znodefs_feed_up 0\n");
	assert_line(text, "znodefs_state_seconds 61\n");
	assert_line(text, "znodefs_session_timeout_seconds 1.5\n");
	assert_line(text, "# TYPE znodefs_messages_total counter\n");
	assert_line(text, "znodefs_messages_total 100\n");
	assert_line(text, "# TYPE znodefs_requests_in_flight gauge\n");
	assert_line(text, "znodefs_requests_in_flight 102\n");
	free(text);
}
END_TEST

START_TEST(test_largest_numbers)
{
	struct status s = example();
	char *text, *metrics;
	int i;

	for (i = 0; i < STATUS_NUMBERS; i++)
		s.n[i] = UINT64_MAX;
	s.since = INT64_MAX; /* in no year that has a name */
	s.session = 0;
	text = status_text(&s);
	metrics = status_metrics(&s, states);
	assert_line(text, "nodes 18446744073709551615\n");
	assert_line(text, "since -\n");
	assert_line(text, "session 0x0\n");
	assert_line(metrics, "znodefs_nodes 18446744073709551615\n");
	free(text);
	free(metrics);
}
END_TEST

UNIT_MAIN("status", test_status_lines, test_every_line_has_two_words,
	  test_metrics_lines, test_largest_numbers)
