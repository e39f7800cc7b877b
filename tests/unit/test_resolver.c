/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names and addresses, with a getaddrinfo() of the test's own (--wrap): what
 * it says of a name is in `answers`, and it waits while that is locked.
 */

#include "resolver.h"

#include <check.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define HANG_MS 10000 /* until a test that waits for something has failed */

static struct answer {
	const char *name;
	const char *address; /* NULL: the error */
	int error;
} answers[4];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int asked;

int __real_getaddrinfo(const char *name, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res);

int __wrap_getaddrinfo(const char *name, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res);

int __wrap_getaddrinfo(const char *name, const char *service,
		       const struct addrinfo *hints, struct addrinfo **res)
{
	int rc = EAI_NONAME;
	size_t i;

	if ((hints->ai_flags & AI_NUMERICHOST) || strpbrk(name, "0123456789:"))
		return __real_getaddrinfo(name, service, hints, res);
	pthread_mutex_lock(&lock);
	asked++;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct answer *a = &answers[i];

		if (!a->name || strcmp(a->name, name))
			continue;
		rc = a->address ? __real_getaddrinfo(a->address, service, hints,
						     res)
				: a->error;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static void answer(int i, const char *name, const char *address, int error)
{
	pthread_mutex_lock(&lock);
	answers[i] = (struct answer){name, address, error};
	pthread_mutex_unlock(&lock);
}

static int times_asked(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = asked;
	pthread_mutex_unlock(&lock);
	return n;
}

static void setup(void)
{
	memset(answers, 0, sizeof(answers));
	asked = 0;
}

/* What the next look finds. */
static void assert_look(struct resolver *r, const char *expected)
{
	_cleanup_free_ char *found = resolver_look(r);

	ck_assert_pstr_eq(found, expected);
}

static char *wait_news(struct resolver *r)
{
	int64_t until = now_ms() + HANG_MS;
	char *news = NULL;

	while (!news && now_ms() < until)
		news = resolver_poll(r);
	return news;
}

START_TEST(test_addresses_are_not_asked_for)
{
	struct resolver *r = resolver_new("127.0.0.1:2181,fd00::7:2182");

	assert_look(r, "127.0.0.1:2181,fd00::7:2182");
	ck_assert_ptr_null(resolver_poll(r));
	ck_assert_ptr_null(resolver_poll(r));
	resolver_free(r);
}
END_TEST

START_TEST(test_names)
{
	struct resolver *r = resolver_new("a:1,b:2,127.0.0.9:3");

	answer(0, "a", "127.0.0.2", 0);
	answer(1, "b", "127.0.0.3", 0);
	assert_look(r, "127.0.0.2:1,127.0.0.3:2,127.0.0.9:3");
	resolver_free(r);
}
END_TEST

START_TEST(test_a_name_that_does_not_exist)
{
	struct resolver *r = resolver_new("a:1,b:2");

	answer(0, "a", "127.0.0.2", 0);
	answer(1, "b", "127.0.0.3", 0);
	assert_look(r, "127.0.0.2:1,127.0.0.3:2");
	answer(0, "a", NULL, EAI_NONAME);
	assert_look(r, "127.0.0.3:2");
	answer(0, "a", "127.0.0.4", 0);
	assert_look(r, "127.0.0.4:1,127.0.0.3:2");
	resolver_free(r);
}
END_TEST

START_TEST(test_a_name_without_an_answer)
{
	struct resolver *r = resolver_new("a:1,b:2");

	answer(0, "a", "127.0.0.2", 0);
	answer(1, "b", "127.0.0.3", 0);
	assert_look(r, "127.0.0.2:1,127.0.0.3:2");
	answer(0, "a", NULL, EAI_AGAIN);
	answer(1, "b", "127.0.0.5", 0);
	assert_look(r, "127.0.0.2:1,127.0.0.5:2");
	resolver_free(r);
}
END_TEST

START_TEST(test_none_has_an_address)
{
	struct resolver *r = resolver_new("a:1,b:2");

	answer(0, "a", NULL, EAI_AGAIN);
	assert_look(r, NULL);
	resolver_free(r);
}
END_TEST

START_TEST(test_news)
{
	struct resolver *r = resolver_new("a:1");
	_cleanup_free_ char *news = NULL;

	answer(0, "a", "127.0.0.2", 0);
	assert_look(r, "127.0.0.2:1");
	ck_assert_ptr_null(resolver_poll(r));
	news = wait_news(r);
	ck_assert_pstr_eq(news, "127.0.0.2:1");
	resolver_free(r);
}
END_TEST

/* One look at a time, and the end waits for none. */
START_TEST(test_no_answer_at_all)
{
	struct resolver *r = resolver_new("a:1");
	_cleanup_free_ char *news = NULL;
	int i;

	answer(0, "a", "127.0.0.2", 0);
	pthread_mutex_lock(&lock);
	for (i = 0; i < 1000; i++)
		ck_assert_ptr_null(resolver_poll(r));
	pthread_mutex_unlock(&lock);
	news = wait_news(r);
	ck_assert_pstr_eq(news, "127.0.0.2:1");
	ck_assert_int_le(times_asked(), 2);

	pthread_mutex_lock(&lock);
	free(resolver_poll(r)); /* one may have ended before that */
	ck_assert_ptr_null(resolver_poll(r));
	resolver_free(r);
	pthread_mutex_unlock(&lock);
}
END_TEST

static Suite *resolver_suite(void)
{
	Suite *s = suite_create("resolver");
	TCase *tc = tcase_create("resolver");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_addresses_are_not_asked_for);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_a_name_that_does_not_exist);
	tcase_add_test(tc, test_a_name_without_an_answer);
	tcase_add_test(tc, test_none_has_an_address);
	tcase_add_test(tc, test_news);
	tcase_add_test(tc, test_no_answer_at_all);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(resolver_suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
