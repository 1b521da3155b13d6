#include "cli/symbol/symbols.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/ahead.h"
#include "cli/symbol/root.h"
#include "cli/symbol/source.h"
#include "cli/symbol/symbols_state.h"

#include <errno.h>
#include <string.h>

int symbols_open(struct symbols **ret)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void symbols_close(struct symbols *s)
{
	struct crew_jobs unwanted = {0};

	if (!s)
		return;
	if (s->ahead)
		ahead_end(s->ahead, &unwanted);
	crew_jobs_done(&unwanted);
	for (size_t i = 0; i < s->image_count; i++)
		module_close(s->images[i].module);
	for (size_t i = 0; i < s->root_count; i++) {
		free(s->roots[i].path);
		closep(&s->roots[i].fd);
	}
	free(s->images);
	free(s->roots);
	free(s->modules);
	table_done(&s->files);
	cache_close(s->cache);
	debugserver_close(s->server);
	remap_done(&s->remap);
	free(s);
}

int symbols_ask_servers(struct symbols *s)
{
	return s->server ? 0 : debugserver_open(&s->server);
}

int symbols_server_error(const struct symbols *s)
{
	return s->server ? debugserver_error(s->server) : 0;
}

int symbols_source_paths(struct symbols *s, const char *rules)
{
	return remap_add_lines(&s->remap, rules);
}

void symbols_use_cache(struct symbols *s)
{
	if (!s->cache)
		cache_open(&s->cache);
}

void symbols_on_progress(struct symbols *s, symbols_progress *progress, void *arg)
{
	s->progress = progress;
	s->progress_arg = arg;
}

/* ---- modules -------------------------------------------------------------- */

/* Number of a root directory, held open from its first use on. */
static int root_number(struct symbols *s, const char *path, size_t *ret)
{
	struct root *root;
	int r;

	path = path ? path : "";
	for (*ret = 0; *ret < s->root_count; (*ret)++)
		if (!strcmp(s->roots[*ret].path, path))
			return 0;
	if (array_reserve(&s->roots, &s->root_room, s->root_count + 1))
		return -ENOMEM;
	root = &s->roots[s->root_count];
	root->path = strdup(path);
	if (!root->path)
		return -ENOMEM;
	r = root_hold(path, &root->fd);
	if (r) {
		free(root->path);
		return r;
	}
	s->root_count++;
	return 0;
}

static bool same_file(const struct image *i, const struct stat *st)
{
	return i->dev == st->st_dev && i->ino == st->st_ino && i->size == st->st_size &&
	       i->changed.tv_sec == st->st_mtim.tv_sec &&
	       i->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* Number of the image of an open file, which is ours from now on. */
static int image_of(struct symbols *s, int fd, size_t root, const char *path,
		    uint32_t *ret)
{
	_cleanup_(closep) int owned = fd;
	struct image *image;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (size_t i = s->image_count; i-- > 0;)
		if (same_file(&s->images[i], &st)) {
			*ret = (uint32_t)i;
			return 0;
		}
	if (array_reserve(&s->images, &s->image_room, s->image_count + 1))
		return -ENOMEM;
	image = &s->images[s->image_count];
	r = module_open(take_fd(owned), s->roots[root].fd, path, &image->module);
	if (r)
		return r;
	module_ask_server(image->module, s->server);
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	image->size = st.st_size;
	image->changed = st.st_mtim;
	image->root = root;
	*ret = (uint32_t)s->image_count++;
	return 0;
}

/* The image at path, if it is the one recorded. An image that is not stays, as others
 * may want it. */
static int image_at(struct symbols *s, size_t root, const char *path,
		    const struct debugfile_id *id, uint32_t *ret)
{
	int fd = root_open(s->roots[root].fd, path, NULL), r;

	if (fd < 0)
		return fd;
	r = image_of(s, fd, root, path, ret);
	if (!r && id->len && !debugfile_same_id(id, module_id(s->images[*ret].module)))
		r = -ESTALE;
	return r;
}

/* Where the file is gone: its debug file, or a copy of it, under its build-id. */
static int image_by_id(struct symbols *s, size_t root, const char *path,
		       const struct debugfile_id *id, uint32_t *ret)
{
	int fd = debugfile_by_id(s->roots[root].fd, id, ".debug");

	if (fd < 0)
		fd = debugfile_by_id(s->roots[root].fd, id, "");
	if (fd < 0 && s->server)
		fd = debugserver_find(s->server, id);
	return fd < 0 ? fd : image_of(s, fd, root, path, ret);
}

int symbols_module(struct symbols *s, size_t index, const char *path, const char *root,
		   const char *build_id)
{
	struct debugfile_id id = debugfile_id_parse(build_id);
	uint32_t image;
	size_t number;
	int r;

	if (array_reserve(&s->modules, &s->module_room, index + 1))
		return -ENOMEM;
	if (s->modules[index])
		return 0;
	if (!strchr(path, '/')) /* linux-vdso.so.1 */
		return -ENOENT;
	r = root_number(s, root, &number);
	if (r)
		return r;
	r = image_at(s, number, path, &id, &image);
	if (r && image_by_id(s, number, path, &id, &image))
		return r;
	s->modules[index] = image + 1;
	return 0;
}

size_t symbols_lacking(const struct symbols *s, size_t index)
{
	uint32_t image = index < s->module_room ? s->modules[index] : 0;

	return image ? module_lacking(s->images[image - 1].module) : 0;
}

/* ---- sources -------------------------------------------------------------- */

static bool newer_than(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

int symbols_sources(struct symbols *s, struct profile *p, struct symbols_sources *ret)
{
	_cleanup_(source_plan_done) struct source_plan plan = {0};
	struct symbols_sources found = {0};
	int r = source_plan_open(p, &s->remap, &plan);

	for (size_t i = 0, n; i < plan.count && !r; i += n) {
		struct source_range *ranges = &plan.ranges[i];
		uint64_t *number =
			table_get(&s->files, (struct table_key){ranges->file, 0});
		const struct image *image = number ? &s->images[*number - 1] : NULL;
		struct timespec changed = {0};
		uint64_t room = plan.room_bytes;

		for (n = 1; i + n < plan.count && ranges[n].file == ranges->file; n++)
			;
		r = source_embed(p, &s->remap, image ? s->roots[image->root].fd : -1,
				 ranges, n, &plan.room_bytes, &changed);
		if (r < 0 && r != -ENOMEM) {
			found.missing++;
			r = 0;
			continue;
		}
		found.files++;
		found.bytes += room - plan.room_bytes;
		if (image && newer_than(&changed, &image->changed)) {
			found.newer++;
			found.newer_file = ranges->file;
		}
	}
	if (!r)
		r = source_extend(p, &plan);
	if (!r && ret)
		*ret = found;
	return r;
}
