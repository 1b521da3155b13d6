/*
 * Where a profile goes may be full, slow, interrupted or closed; and what is read may
 * be anything but a profile.
 */
#include "tests/unit/unit.h"

#include "cli/base/cleanup.h"
#include "cli/profile/file.h"
#include "cli/profile/format.h"
#include "tests/unit/chance.h"
#include "tests/unit/profile_make.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

static char folder[] = "/tmp/heapline-unit-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct profile_writer *open_writer(const char *path, int flags)
{
	struct profile_writer *w = NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(profile_writer_open(fd, &w), 0);
	return w;
}

static void loads_as(const char *path, const struct profile *expected)
{
	struct profile *p = NULL;
	char why[200];

	if (profile_load(path, &p, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_string_equal(why, "");
	assert_null(make_difference(expected, p));
	profile_close(p);
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* The size that files may have, from now on. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The second update fails at a byte, the third goes on from there as if nothing had
 * been: at every byte that the second one has. */
static uint64_t fail_at(uint64_t byte, int flags)
{
	struct make m = {.state = 21, .size = 6};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	_cleanup_(profile_closep) struct profile *first = NULL;
	struct profile_writer *w;
	const char *path = path_of("full");
	char why[200];
	int r;

	unlink(path);
	w = open_writer(path, flags);
	make_more(&m, p);
	assert_int_equal(profile_writer_update(w, p), 0);
	assert_int_equal(profile_load(path, &first, why, sizeof(why)), 0);
	byte += profile_writer_bytes(w);

	make_more(&m, p);
	limit_files(byte);
	r = profile_writer_update(w, p);
	limit_files(RLIM_INFINITY);
	if (r == 0) {
		byte = 0; /* beyond its end */
	} else {
		assert_int_equal(r, -EFBIG);
		loads_as(path, first);
		assert_int_equal(profile_writer_bytes(w), file_size(path));
		if (byte % 2) /* with more to tell, or as it was */
			make_more(&m, p);
		assert_int_equal(profile_writer_update(w, p), 0);
	}
	loads_as(path, p);
	profile_writer_close(w);
	return byte;
}

static void a_full_disk_leaves_the_last_commit_and_a_later_update_goes_on(void **state)
{
	uint64_t byte = 0;

	(void)state;
	while (fail_at(byte, byte % 3 ? 0 : O_APPEND))
		byte++;
	assert_true(byte > 500);
}

/* What a file has grown by with this update, and is the profile then. */
static uint64_t grown(struct profile_writer *w, struct profile *p)
{
	uint64_t before = profile_writer_bytes(w);

	assert_int_equal(profile_writer_update(w, p), 0);
	loads_as(path_of("full"), p);
	return profile_writer_bytes(w) - before;
}

static void what_has_not_changed_is_not_written_again(void **state)
{
	enum { BINS = 4000, LARGE = 2 * BINS, SMALL = 600 };
	struct make m = {.state = 22, .size = 6};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w;
	uint64_t random = 1;

	(void)state;
	make_more(&m, p);
	p->bin_room = p->bin_count = BINS;
	free(p->bins);
	p->bins = calloc(BINS, sizeof(*p->bins));
	for (size_t i = 0; i < BINS; i++) {
		p->bins[i].at_ns = i;
		p->bins[i].allocs = chance_below(&random, 1 << 30);
	}
	unlink(path_of("full"));
	w = open_writer(path_of("full"), 0);
	assert_true(grown(w, p) > LARGE);
	assert_true(grown(w, p) < SMALL);
	p->bins[BINS / 2].allocs++;
	assert_true(grown(w, p) > LARGE);
	assert_true(grown(w, p) < SMALL);
	p->bin_count--;
	assert_true(grown(w, p) > LARGE);
	p->bin_count = 0;
	grown(w, p);
	grown(w, p);
	p->bin_count = BINS;
	assert_true(grown(w, p) > LARGE);
	profile_writer_close(w);
}

/* The first update fails: the file is empty again, its header too. */
static void a_disk_full_from_the_start_leaves_an_empty_file(void **state)
{
	struct make m = {.state = 4, .size = 20};
	struct profile *p = profile_new();
	const char *path = path_of("start");
	struct profile_writer *w = open_writer(path, 0);

	(void)state;
	make_more(&m, p);
	for (rlim_t byte = 0; byte < 200; byte += 7) {
		limit_files(byte);
		assert_int_equal(profile_writer_update(w, p), -EFBIG);
		limit_files(RLIM_INFINITY);
		assert_int_equal(file_size(path), 0);
	}
	assert_int_equal(profile_writer_update(w, p), 0);
	loads_as(path, p);
	profile_writer_close(w);
	profile_close(p);
}

/* A file system of 4 MiB, filled up by something else. */
static void a_tiny_tmpfs_fills_and_empties(void **state)
{
	struct make m = {.state = 5, .size = 200};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	_cleanup_(profile_closep) struct profile *before = NULL;
	_cleanup_(freep) char *path = strdup(path_of("tmpfs/profile"));
	struct profile_writer *w;
	char why[200];
	int fd;

	(void)state;
	mkdir(path_of("tmpfs"), 0700);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path_of("tmpfs"), "tmpfs", 0, "size=4m") < 0)
		skip();
	w = open_writer(path, 0);
	make_more(&m, p);
	p->bin_count = 0;
	assert_int_equal(profile_writer_update(w, p), 0);
	assert_int_equal(profile_load(path, &before, why, sizeof(why)), 0);

	fd = open(path_of("tmpfs/other"), O_RDWR | O_CREAT, 0600);
	while (write(fd, why, sizeof(why)) > 0)
		;
	for (int i = 0; i < 3; i++)
		make_more(&m, p);
	assert_int_equal(profile_writer_update(w, p), -ENOSPC);
	assert_int_equal(profile_writer_update(w, p), -ENOSPC);
	loads_as(path, before);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	loads_as(path, p);
	close(fd);
	profile_writer_close(w);
	assert_int_equal(umount(path_of("tmpfs")), 0);
}

/* ---- what is no regular file ------------------------------------------------ */

static void a_full_device_says_so_each_time(void **state)
{
	struct profile *p = profile_new();
	struct profile_writer *w = open_writer("/dev/full", 0);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(profile_writer_update(w, p), -ENOSPC);
	profile_writer_close(w);
	profile_close(p);
}

struct pump { /* reads a pipe to its end, slowly */
	int fd;
	struct bytes all;
};

static void *pump(void *arg)
{
	struct pump *pump = arg;
	sigset_t none;

	sigfillset(&none);
	pthread_sigmask(SIG_BLOCK, &none, NULL);
	for (;;) {
		unsigned char *to = bytes_room(&pump->all, 3000);
		ssize_t n = read(pump->fd, to, 3000);

		if (n <= 0)
			return NULL;
		pump->all.len += (size_t)n;
		if (pump->all.len % 5 == 0)
			usleep(100);
	}
}

static void interrupt(int signal)
{
	(void)signal;
}

static void through_pipe(int flags)
{
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct make m = {.state = 6, .size = 600};
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	struct profile *loaded = NULL;
	struct pump in = {0};
	pthread_t thread;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
	in.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, pump, &in), 0);
	assert_int_equal(profile_writer_open(fds[1], &w), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 3; i++) {
		make_more(&m, p);
		assert_int_equal(profile_writer_update(w, p), 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	profile_writer_close(w);
	pthread_join(thread, NULL);
	assert_int_equal(
		profile_load_bytes(in.all.data, in.all.len, false, &loaded, NULL, 0),
		0);
	assert_null(make_difference(p, loaded));
	profile_close(loaded);
	bytes_done(&in.all);
	close(fds[0]);
}

static void pipes_take_it_piece_by_piece_between_signals(void **state)
{
	struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART */

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	through_pipe(0);
	through_pipe(O_NONBLOCK);
}

static void a_pipe_without_reader_fails_for_good(void **state)
{
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(profile_writer_open(fds[1], &w), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	close(fds[0]);
	assert_int_equal(profile_writer_update(w, p), -EPIPE);
	assert_int_equal(profile_writer_update(w, p), -EPIPE);
	profile_writer_close(w);
	profile_close(p);
}

static void *read_once(void *arg)
{
	char piece[1000];
	int fd = *(int *)arg;

	assert_true(read(fd, piece, sizeof(piece)) > 0);
	close(fd);
	return NULL;
}

/* What has gone out is torn: no other update may follow it, though it could. */
static void a_stream_that_broke_stays_broken(void **state)
{
	struct make m = {.state = 9, .size = 2000};
	struct profile *p = profile_new();
	struct profile_writer *w = NULL;
	pthread_t thread;
	int fds[2], other;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	make_more(&m, p);
	make_more(&m, p);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(pthread_create(&thread, NULL, read_once, &fds[0]), 0);
	assert_int_equal(profile_writer_open(fds[1], &w), 0);
	assert_int_equal(profile_writer_update(w, p), -EPIPE);
	pthread_join(thread, NULL);
	assert_true(profile_writer_bytes(w) > 0);
	other = open("/dev/null", O_WRONLY);
	assert_int_equal(dup2(other, fds[1]), fds[1]); /* would take anything */
	close(other);
	assert_int_equal(profile_writer_update(w, p), -EPIPE);
	profile_writer_close(w);
	profile_close(p);
}

/* ---- what is not taken ------------------------------------------------------- */

static void only_an_empty_writable_file_is_taken(void **state)
{
	struct profile_writer *w = NULL;
	const char *path = path_of("taken");
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(profile_writer_open(fd, &w), -EEXIST);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same */
	assert_int_equal(file_size(path), 1);
	assert_int_equal(profile_writer_open(open(path, O_RDONLY), &w), -EBADF);
	assert_int_equal(profile_writer_open(-1, &w), -EBADF);
	assert_null(w);
}

static void expect_error(const char *path, int error, const char *clause)
{
	struct profile *p = NULL;
	char why[200] = "";
	int r = profile_load(path, &p, why, sizeof(why));

	assert_int_equal(r, -error);
	assert_null(p);
	if (!strstr(why, clause))
		fail_msg("\"%s\" says nothing of \"%s\"", why, clause);
	assert_int_equal(profile_load(path, &p, NULL, 0), -error);
}

static const char *file_of(const char *name, const void *data, size_t len)
{
	const char *path = path_of(name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, data, len), len);
	close(fd);
	return path;
}

static void what_is_no_profile_gets_its_own_words(void **state)
{
	static const char newer[] = FORMAT_MAGIC "\3\0\0\0\040\255\247\024";
	static const char older[] = FORMAT_MAGIC "\0\0\0\0\316\002\022\006";

	(void)state;
	expect_error(path_of("absent"), ENOENT, "No such file");
	expect_error(folder, EISDIR, "directory");
	expect_error("/dev/null", ENODATA, "empty");
	expect_error("/dev/zero", EPROTO, "not a heapline profile");
	expect_error(file_of("f", "", 0), ENODATA, "empty");
	expect_error(file_of("f", "int main(void)\n", 15), EPROTO,
		     "not a heapline profile");
	expect_error(file_of("f", "i", 1), EPROTO, "not a heapline profile");
	expect_error(file_of("f", FORMAT_MAGIC, 5), ENODATA, "ends at byte 5");
	expect_error(file_of("f", FORMAT_MAGIC "\1\0\0\0\0\0\0\0", 16), EBADMSG,
		     "damaged");
	expect_error(file_of("f", newer, 16), EPROTONOSUPPORT, "newer heapline");
	expect_error(file_of("f", older, 16), EPROTO, "no format that there was");
}

static void a_file_of_the_version_before_is_read(void **state)
{
	static const char before[] = FORMAT_MAGIC "\1\0\0\0\253\145\256\276";
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = open_writer(path_of("f"), O_CREAT | O_TRUNC);
	struct make m = {.state = 7, .size = 20};
	int fd = open(path_of("f"), O_WRONLY | O_CLOEXEC);

	(void)state;
	make_more(&m, p);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
	assert_int_equal(pwrite(fd, before, 16, 0), 16);
	close(fd);
	loads_as(path_of("f"), p);
	unlink(path_of("f"));
}

static void an_unreadable_file_is_refused(void **state)
{
	const char *path = file_of("secret", "x", 1);

	(void)state;
	chmod(path, 0);
	if (access(path, R_OK) == 0) { /* root reads everything */
		if (seteuid(65534) < 0)
			skip();
		expect_error(path, EACCES, "Permission denied");
		assert_int_equal(seteuid(0), 0);
		return;
	}
	expect_error(path, EACCES, "Permission denied");
}

static void a_profile_may_come_through_a_pipe(void **state)
{
	struct make m = {.state = 8, .size = 30};
	struct profile *p = profile_new(), *loaded = NULL;
	struct profile_writer *w = NULL;
	char path[40], why[200];
	int fds[2];

	(void)state;
	make_more(&m, p);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	assert_int_equal(profile_writer_open(fds[1], &w), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	assert_int_equal(profile_load(path, &loaded, why, sizeof(why)), 0);
	assert_null(make_difference(p, loaded));
	profile_close(loaded);
	profile_close(p);
	close(fds[0]);
}

/* What never ends is read as far as it is a profile: until then whole, here. */
static void a_pipe_without_end_is_left_where_it_is_none(void **state)
{
	struct make m = {.state = 9, .size = 30};
	struct profile *p = profile_new(), *loaded = NULL;
	struct profile_writer *w = NULL;
	char path[40], why[200], zeroes[4096] = {0};
	int fds[2], status;
	pid_t child;

	(void)state;
	make_more(&m, p);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_DFL);
		close(fds[0]);
		profile_writer_open(dup(fds[1]), &w);
		profile_writer_update(w, p);
		while (write(fds[1], zeroes, sizeof(zeroes)) > 0)
			;
		_exit(0);
	}
	close(fds[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	assert_int_equal(profile_load(path, &loaded, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "it is damaged at byte"));
	assert_null(make_difference(p, loaded));
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	profile_close(loaded);
	profile_close(p);
}

/* ---- while it is being written ------------------------------------------------ */

/* Updates whose numbers all say which one they are. */
static void write_ages(const char *path, uint64_t updates)
{
	_cleanup_(profile_closep) struct profile *p = profile_new();
	struct profile_writer *w = open_writer(path, O_TRUNC);

	make_process(p)->serial = 1;
	for (uint64_t age = 1; age <= updates; age++) {
		char name[20];

		snprintf(name, sizeof(name), "%llu", (unsigned long long)age);
		p->version = strings_add(&p->strings, name);
		p->wall_ns = p->processes[0].events = age;
		*make_row(p, site) = (struct profile_site){
			.process_serial = 1, .stack = (uint32_t)p->stack_count};
		make_row(p, stack)->pc = age;
		for (size_t i = 0; i < p->site_count; i++) {
			p->sites[i].last_rank = age;
			p->sites[i].dirty = 1;
		}
		if (profile_writer_update(w, p) < 0)
			_exit(1);
	}
	profile_writer_close(w);
}

static uint64_t read_age(const char *path)
{
	_cleanup_(profile_closep) struct profile *p = NULL;
	char why[200], name[20];
	int r = profile_load(path, &p, why, sizeof(why));

	if (r == -ENODATA)
		return 0;
	if (r < 0)
		fail_msg("%s", why);
	snprintf(name, sizeof(name), "%llu", (unsigned long long)p->wall_ns);
	assert_string_equal(strings_get(&p->strings, p->version), name);
	assert_int_equal(p->processes[0].events, p->wall_ns);
	assert_int_equal(p->site_count, p->wall_ns);
	assert_int_equal(p->stack_count, p->wall_ns + 1);
	for (size_t i = 0; i < p->site_count; i++)
		assert_int_equal(p->sites[i].last_rank, p->wall_ns);
	return p->wall_ns;
}

static void a_reader_beside_the_writer_sees_one_update_or_another(void **state)
{
	const char *path = file_of("beside", "", 0);
	uint64_t updates = 600, age = 0, seen = 0;
	pid_t child = fork(), ended = 0;
	int status = 0;

	(void)state;
	if (!child) {
		write_ages(path, updates);
		_exit(0);
	}
	while (age < updates && !ended) {
		uint64_t later;

		ended = waitpid(child, &status, WNOHANG);
		later = read_age(path);
		assert_true(later >= age);
		seen += later != age;
		age = later;
	}
	if (!ended)
		ended = waitpid(child, &status, 0);
	assert_int_equal(ended, child);
	assert_int_equal(status, 0);
	assert_int_equal(age, updates);
	assert_true(seen > 1);
}

/* ---- chunks of versions to come ---------------------------------------------- */

/* A file of one update, and behind it a chunk of an unknown type. */
static void unknown_chunk(uint16_t flags, int expected)
{
	_cleanup_(bytes_done) struct bytes b = {0}, made = {0};
	_cleanup_(profile_closep) struct profile *p = profile_new(), *loaded = NULL;
	struct profile_writer *w = NULL;
	int fd = memfd_create("profile", 0), r;
	char why[200];

	assert_int_equal(profile_writer_open(dup(fd), &w), 0);
	assert_int_equal(profile_writer_update(w, p), 0);
	profile_writer_close(w);
	assert_non_null(bytes_room(&b, 1 << 16));
	b.len = (size_t)pread(fd, b.data, 1 << 15, 0);
	format_put_header(&made, &(struct format_header){
					 .type = 999, .flags = flags, .number = 999});
	memcpy(b.data + b.len, made.data, made.len);
	b.len += made.len;
	r = profile_load_bytes(b.data, b.len, true, &loaded, why, sizeof(why));
	assert_int_equal(r, expected);
	if (r < 0)
		assert_non_null(strstr(why, "newer heapline"));
	close(fd);
}

static void unknown_chunks_are_skipped_if_they_may_be(void **state)
{
	(void)state;
	unknown_chunk(FORMAT_OPTIONAL, 0);
	unknown_chunk(0, -EPROTONOSUPPORT);
}

static int make_folder(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(folder))
		return -1;
	return chmod(folder, 0755);
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"full", "start",  "taken",
					    "f",    "secret", "beside"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(path_of(names[i]));
	rmdir(path_of("tmpfs"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_full_disk_leaves_the_last_commit_and_a_later_update_goes_on),
		cmocka_unit_test(what_has_not_changed_is_not_written_again),
		cmocka_unit_test(a_disk_full_from_the_start_leaves_an_empty_file),
		cmocka_unit_test(a_tiny_tmpfs_fills_and_empties),
		cmocka_unit_test(a_full_device_says_so_each_time),
		cmocka_unit_test(pipes_take_it_piece_by_piece_between_signals),
		cmocka_unit_test(a_pipe_without_reader_fails_for_good),
		cmocka_unit_test(a_stream_that_broke_stays_broken),
		cmocka_unit_test(only_an_empty_writable_file_is_taken),
		cmocka_unit_test(what_is_no_profile_gets_its_own_words),
		cmocka_unit_test(a_file_of_the_version_before_is_read),
		cmocka_unit_test(an_unreadable_file_is_refused),
		cmocka_unit_test(a_profile_may_come_through_a_pipe),
		cmocka_unit_test(a_pipe_without_end_is_left_where_it_is_none),
		cmocka_unit_test(a_reader_beside_the_writer_sees_one_update_or_another),
		cmocka_unit_test(unknown_chunks_are_skipped_if_they_may_be),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
