#include "cli/symbol/module.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/symbol/die_text.h"
#include "cli/symbol/symtab.h"
#include "cli/symbol/unit.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_UNIT_SPANS (16u << 20) /* of all units together */
#define NO_UNIT UINT32_MAX

/* A compressed section may unfold this much: more is an attack on our memory. */
#define MAX_UNFOLD 64
#define ALWAYS_UNFOLD (64ull << 20)
/* .gnu_debugdata is xz-compressed without a trustworthy size: real ones stay below. */
#define MAX_MINI_DEBUGINFO (2ull << 20)

struct module {
	char *path;
	int fd, root_fd; /* root_fd is not ours */
	struct debugfile_id id;

	struct debugserver *server; /* to be asked, or NULL; not ours */
	bool searched;		    /* for the next two */
	int debug_fd;		    /* the separate debug file, or -1 */
	int shared_fd;		    /* dwz's, of that or of the file itself, or -1 */

	/* From load(), at the first lookup. */
	bool loaded;
	bool split;	/* there are units whose rest is in other files */
	size_t lacking; /* units at work whose file was not there */
	Dwfl *dwfl;
	Dwfl_Module *mod; /* NULL: the file is of no use */
	Dwarf *dwarf;	  /* owned by mod; NULL: none */
	Elf *shared_elf;
	Dwarf *shared;
	Dwarf_Addr mod_bias, dwarf_bias; /* mod's, DWARF's address minus the file's */
	uint64_t text_start, text_end;	 /* the file's executable addresses */

	Dwarf_Die *units;
	size_t unit_count, unit_room;
	struct segments unit_segments;

	bool have_symtab;
	struct symtab symtab;
};

/* ---- opening -------------------------------------------------------------- */

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

int module_open(int fd, int root_fd, const char *path, struct module **ret)
{
	_cleanup_(closep) int owned = fd;
	_cleanup_(elf_endp) Elf *elf = NULL;
	struct module *m;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return -ENOEXEC;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	*m = (struct module){
		.fd = -1, .root_fd = root_fd, .debug_fd = -1, .shared_fd = -1};
	m->path = strdup(path);
	if (!m->path) {
		module_close(m);
		return -ENOMEM;
	}
	m->id = debugfile_id_of(elf);
	m->fd = take_fd(owned);
	*ret = m;
	return 0;
}

void module_ask_server(struct module *m, struct debugserver *d)
{
	m->server = d;
}

void module_unload(struct module *m)
{
	symtab_done(&m->symtab);
	segments_done(&m->unit_segments);
	free(m->units);
	m->units = NULL;
	m->unit_count = m->unit_room = 0;
	dwfl_end(m->dwfl);
	dwarf_end(m->shared);
	elf_end(m->shared_elf);
	m->dwfl = NULL;
	m->mod = NULL;
	m->dwarf = m->shared = NULL;
	m->shared_elf = NULL;
	closep(&m->debug_fd);
	closep(&m->shared_fd);
	m->debug_fd = m->shared_fd = -1;
	m->loaded = m->have_symtab = m->searched = false;
}

void module_close(struct module *m)
{
	if (!m)
		return;
	module_unload(m);
	closep(&m->fd);
	free(m->path);
	free(m);
}

const struct debugfile_id *module_id(const struct module *m)
{
	return &m->id;
}

/* ---- searching ------------------------------------------------------------ */

/* The name of an open file, as it is without symbolic links; "" if unknown. */
static void real_path(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX - 1);
	path[len > 0 ? len : 0] = '\0';
}

/* False where only a separate file can have lines. */
static bool has_dwarf(Elf *elf)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		size_t names;
		GElf_Shdr shdr;
		const char *name;

		if (!gelf_getshdr(scn, &shdr) || elf_getshdrstrndx(elf, &names))
			return false;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (name && shdr.sh_type != SHT_NOBITS &&
		    (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
			return true;
	}
	return false;
}

static int find_debug_file(struct module *m, Elf *elf)
{
	GElf_Word crc = 0;
	const char *link = dwelf_elf_gnu_debuglink(elf, &crc);
	int fd = debugfile_by_id(m->root_fd, &m->id, ".debug");
	char path[PATH_MAX];

	if (fd < 0 && link)
		fd = debugfile_by_link(m->root_fd, m->path, link, crc, &m->id);
	if (fd < 0 && link && m->root_fd < 0) {
		real_path(m->fd, path);
		fd = debugfile_by_link(m->root_fd, path, link, crc, &m->id);
	}
	if (fd < 0 && m->server && !has_dwarf(elf))
		fd = debugserver_find(m->server, &m->id);
	return fd;
}

/* Reads .gnu_debugaltlink: a name, and the build-id of the file that it names. */
static bool read_shared_link(Elf *elf, const char **ret_name, struct debugfile_id *ret)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		size_t names, len;
		GElf_Shdr shdr;
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &shdr) || elf_getshdrstrndx(elf, &names))
			return false;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (!name || strcmp(name, ".gnu_debugaltlink") != 0 ||
		    shdr.sh_type == SHT_NOBITS)
			continue;
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf)
			return false;
		len = strnlen(data->d_buf, data->d_size);
		if (len == data->d_size || data->d_size - len - 1 > DEBUGFILE_MAX_ID)
			return false;
		*ret_name = data->d_buf;
		ret->len = data->d_size - len - 1;
		memcpy(ret->bytes, (char *)data->d_buf + len + 1, ret->len);
		return true;
	}
	return false;
}

static int find_shared_file(const struct module *m, int fd)
{
	_cleanup_(elf_endp) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	struct debugfile_id id = {0};
	const char *name = NULL;
	char path[PATH_MAX];

	if (!elf || !read_shared_link(elf, &name, &id) || !id.len)
		return -1;
	real_path(fd, path);
	fd = debugfile_shared(m->root_fd, path, name, &id);
	return fd < 0 && m->server ? debugserver_find(m->server, &id) : fd;
}

/* Finds the other files that the debug information is in. */
static void search(struct module *m)
{
	_cleanup_(elf_endp) Elf *elf = NULL;

	if (m->searched)
		return;
	m->searched = true;
	elf = elf_begin(m->fd, ELF_C_READ, NULL);
	if (!elf)
		return;
	m->debug_fd = find_debug_file(m, elf);
	m->shared_fd = find_shared_file(m, m->fd);
	if (m->shared_fd < 0 && m->debug_fd >= 0)
		m->shared_fd = find_shared_file(m, m->debug_fd);
}

static int put_stamp(char *at, size_t room, const char *what, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return snprintf(at, room, "%s: none\n", what);
	return snprintf(at, room, "%s: %lld bytes of %lld.%09ld\n", what,
			(long long)st.st_size, (long long)st.st_mtim.tv_sec,
			st.st_mtim.tv_nsec);
}

bool module_is_split(const struct module *m)
{
	return m->split;
}

size_t module_lacking(const struct module *m)
{
	return m->lacking;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

uint64_t module_weight(struct module *m)
{
	search(m);
	return size_of(m->fd) + size_of(m->debug_fd) + size_of(m->shared_fd);
}

void module_stamp(struct module *m, char ret[MODULE_STAMP])
{
	int n;

	search(m);
	n = put_stamp(ret, MODULE_STAMP, "file", m->fd);
	n += put_stamp(ret + n, MODULE_STAMP - (size_t)n, "debug", m->debug_fd);
	put_stamp(ret + n, MODULE_STAMP - (size_t)n, "shared", m->shared_fd);
}

/* ---- loading: what libdwfl asks for --------------------------------------- */

/* libdwfl would map the file, and a compiler that writes it anew would kill us. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name,
		    Dwarf_Addr base, char **file_name, Elf **elf)
{
	struct module *m = *userdata;
	int fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);

	(void)mod, (void)name, (void)base;
	*elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	if (!*elf) {
		closep(&fd);
		return -1;
	}
	*file_name = strdup(m->path);
	return fd;
}

static int give_debug_file(Dwfl_Module *mod, void **userdata, const char *name,
			   Dwarf_Addr base, const char *file_name, const char *link,
			   GElf_Word crc, char **ret_name)
{
	struct module *m = *userdata;
	char path[PATH_MAX];
	int fd;

	(void)mod, (void)name, (void)base, (void)link, (void)crc;
	if (!file_name || m->debug_fd < 0) /* none: one that dwz shares is set by us */
		return -1;
	fd = fcntl(m->debug_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	real_path(fd, path);
	*ret_name = strdup(path);
	return fd;
}

/* Our own find functions: the standard ones would ask debuginfod. */
static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = give_debug_file,
};

/* ---- loading -------------------------------------------------------------- */

static bool range_of(Elf *elf, struct module *m, uint64_t *start, uint64_t *end)
{
	size_t count = 0;
	GElf_Phdr p;
	bool first = true;

	m->text_start = UINT64_MAX;
	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count && gelf_getphdr(elf, (int)i, &p); i++) {
		uint64_t from, to;

		if (p.p_type != PT_LOAD || p.p_vaddr > UINT64_MAX - p.p_memsz)
			continue;
		from = p.p_vaddr;
		to = p.p_vaddr + p.p_memsz;
		if (first)
			*start = from & -(p.p_align ? p.p_align : 1);
		*end = first || to > *end ? to : *end;
		first = false;
		if (!(p.p_flags & PF_X))
			continue;
		m->text_start = from < m->text_start ? from : m->text_start;
		m->text_end = to > m->text_end ? to : m->text_end;
	}
	return !first && *start < *end;
}

/* False for files made to fill our memory. */
static bool unfolds_sanely(Elf *elf)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr shdr;
		GElf_Chdr chdr;
		size_t names;
		const char *name;

		if (!gelf_getshdr(scn, &shdr) || elf_getshdrstrndx(elf, &names))
			return false;
		if (gelf_getchdr(scn, &chdr) && chdr.ch_size > ALWAYS_UNFOLD &&
		    chdr.ch_size / MAX_UNFOLD > shdr.sh_size)
			return false;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (name && !strcmp(name, ".gnu_debugdata") &&
		    shdr.sh_size > MAX_MINI_DEBUGINFO)
			return false;
	}
	return true;
}

/* Opens the DWARF that dwz moved out of this file and others. */
static void share_dwarf(struct module *m)
{
	if (m->shared_fd < 0)
		return;
	m->shared_elf = elf_begin(m->shared_fd, ELF_C_READ, NULL);
	if (!m->shared_elf || !unfolds_sanely(m->shared_elf))
		return;
	m->shared = dwarf_begin_elf(m->shared_elf, DWARF_C_READ, NULL);
	if (m->shared && die_texts_end(m->shared))
		dwarf_setalt(m->dwarf, m->shared);
}

struct unit_spans { /* owners are numbers of units */
	struct span *items;
	size_t count, room;
};

static void unit_spans_done(struct unit_spans *s)
{
	free(s->items);
}

/* What the linker discarded has no place in the code, and is left out. */
static int unit_span_add(const struct module *m, struct unit_spans *s, uint64_t start,
			 uint64_t end, size_t unit)
{
	if (start < m->text_start + m->dwarf_bias ||
	    end > m->text_end + m->dwarf_bias || s->count >= MAX_UNIT_SPANS)
		return 0;
	if (array_reserve(&s->items, &s->room, s->count + 1))
		return -ENOMEM;
	s->items[s->count++] = (struct span){start, end, (uint32_t)unit, 0};
	return 0;
}

/* Number of the unit whose entry is at an offset, or NO_UNIT. */
static size_t unit_at(struct module *m, Dwarf_Off offset)
{
	size_t low = 0, high = m->unit_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dwarf_dieoffset(&m->units[middle]) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->unit_count && dwarf_dieoffset(&m->units[low]) == offset
		       ? low
		       : NO_UNIT;
}

/* .debug_aranges tell of code that units do not: DWARF 2 has no ranges for units. */
static int list_aranges(struct module *m, struct unit_spans *spans)
{
	Dwarf_Aranges *aranges = NULL;
	size_t count = 0;

	if (dwarf_getaranges(m->dwarf, &aranges, &count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		Dwarf_Addr start = 0;
		Dwarf_Word length = 0;
		Dwarf_Off offset = 0;
		size_t unit;

		if (dwarf_getarangeinfo(dwarf_onearange(aranges, i), &start, &length,
					&offset) ||
		    length > UINT64_MAX - start)
			continue;
		unit = unit_at(m, offset);
		if (unit != NO_UNIT &&
		    unit_span_add(m, spans, start, start + length, unit))
			return -ENOMEM;
	}
	return 0;
}

/* Which unit owns which addresses: from the units themselves, as .debug_aranges is
 * often missing, and from those if they are there. */
static int list_units(struct module *m)
{
	_cleanup_(unit_spans_done) struct unit_spans spans = {0};
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	while (!dwarf_get_units(m->dwarf, cu, &cu, NULL, &type, &die, NULL)) {
		Dwarf_Addr base = 0, start, end;
		ptrdiff_t offset = 0;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		if (m->unit_count >= NO_UNIT - 1)
			break;
		if (array_reserve(&m->units, &m->unit_room, m->unit_count + 1))
			return -ENOMEM;
		while (spans.count < MAX_UNIT_SPANS &&
		       (offset = dwarf_ranges(&die, offset, &base, &start, &end)) > 0)
			if (unit_span_add(m, &spans, start, end, m->unit_count))
				return -ENOMEM;
		m->split = m->split || type == DW_UT_skeleton;
		m->units[m->unit_count++] = die;
	}
	if (list_aranges(m, &spans))
		return -ENOMEM;
	return segments_build(&m->unit_segments, spans.items, spans.count);
}

static int load_dwarf(struct module *m)
{
	Dwarf_Addr bias = 0;

	m->dwarf = dwfl_module_getdwarf(m->mod, &bias);
	if (!m->dwarf)
		return 0;
	if (!unfolds_sanely(dwarf_getelf(m->dwarf)) || !die_texts_end(m->dwarf)) {
		m->dwarf = NULL;
		return 0;
	}
	m->dwarf_bias = m->mod_bias - bias;
	share_dwarf(m);
	return list_units(m);
}

/* Only lack of memory is a failure: of a damaged file we know little, or nothing. */
static int load(struct module *m)
{
	_cleanup_(elf_endp) Elf *elf = elf_begin(m->fd, ELF_C_READ, NULL);
	uint64_t start = 0, end = 0;
	void **userdata;
	Dwfl_Module *mod;

	m->loaded = true;
	search(m);
	if (!elf || !range_of(elf, m, &start, &end) || !unfolds_sanely(elf))
		return 0;
	m->dwfl = dwfl_begin(&callbacks);
	if (!m->dwfl)
		return -ENOMEM;
	dwfl_report_begin(m->dwfl);
	mod = dwfl_report_module(m->dwfl, m->path, start, end);
	if (!mod || dwfl_report_end(m->dwfl, NULL, NULL))
		return 0;
	dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = m;
	if (!dwfl_module_getelf(mod, &m->mod_bias))
		return 0;
	m->mod = mod;
	return load_dwarf(m);
}

/* ---- looking up ----------------------------------------------------------- */

static const struct symbol *symbol_at(struct module *m, uint64_t address)
{
	if (!m->mod)
		return NULL;
	if (!m->have_symtab) {
		m->have_symtab = true;
		if (symtab_open(m->mod, m->mod_bias, &m->symtab))
			return NULL;
	}
	return symtab_find(&m->symtab, address);
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (!dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) &&
	    !dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return NULL;
	return die_text(&attr);
}

/* The symbol that a function's code begins with, where it has no linkage name. The
 * first range is the hot part. */
static const char *entry_symbol(struct module *m, Dwarf_Die *die)
{
	const struct symbol *s;
	Dwarf_Addr base, entry, end;

	if (dwarf_ranges(die, 0, &base, &entry, &end) <= 0)
		return NULL;
	entry -= m->dwarf_bias;
	s = symbol_at(m, entry);
	return s && s->start == entry ? s->name : NULL;
}

static void name_function(struct module *m, struct unit *u, const struct unit_node *n,
			  struct module_frame *f)
{
	Dwarf_Die die = n->die;
	const char *name = linkage_name(&die);

	if (!name && !n->inlined && (unit_mangles(u) || !die_name(&die)))
		name = entry_symbol(m, &die);
	f->linkage = name != NULL;
	f->name = name ? name : unit_qualified(u, n->function);
}

static size_t frames_at(struct module *m, struct unit *u, uint64_t address,
			struct module_frame *frames)
{
	struct unit_place place = unit_line(u, address + m->dwarf_bias);
	const struct unit_node *n = unit_find(u, address + m->dwarf_bias);
	const char *dir = unit_dir(u);
	size_t count = 0;

	while (n && count < MODULE_MAX_FRAMES) {
		const struct unit_function *function = &u->functions[n->function];
		struct module_frame *f = &frames[count++];

		*f = (struct module_frame){.dir = dir,
					   .file = place.file ? place.file : "",
					   .line = place.line};
		if (place.file && function->file &&
		    !strcmp(place.file, function->file)) {
			f->first = function->first;
			f->last = function->last;
		}
		name_function(m, u, n, f);
		place = (struct unit_place){n->call_file, n->call_line};
		n = n->inlined && n->parent ? &u->nodes[n->parent - 1] : NULL;
	}
	if (!count) {
		const struct symbol *s = symbol_at(m, address);

		frames[count++] =
			(struct module_frame){.name = s ? s->name : "",
					      .linkage = true,
					      .dir = dir,
					      .file = place.file ? place.file : "",
					      .line = place.line};
	}
	return count;
}

struct lookup {
	uint64_t address;
	size_t index;
	uint32_t unit;
};

static int by_unit(const void *a, const void *b)
{
	const struct lookup *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* Lookups sorted by unit, so that one index at a time is enough. */
static struct lookup *plan(struct module *m, const uint64_t *addresses, size_t count)
{
	struct lookup *lookups = calloc(count + 1, sizeof(*lookups));

	for (size_t i = 0; lookups && i < count; i++) {
		const struct segment *s =
			segments_find(&m->unit_segments, addresses[i] + m->dwarf_bias);

		lookups[i] = (struct lookup){addresses[i], i, s ? s->owner : NO_UNIT};
	}
	if (lookups)
		qsort(lookups, count, sizeof(*lookups), by_unit);
	return lookups;
}

/* Answers lookups of one unit, or of none. */
static int visit_unit(struct module *m, const struct lookup *lookups, size_t count,
		      struct module_frame *frames, module_visitor *visitor, void *arg)
{
	_cleanup_(unit_close) struct unit u = {0};
	int r = 0;

	if (lookups->unit != NO_UNIT)
		r = unit_open(&m->units[lookups->unit], m->text_start + m->dwarf_bias,
			      m->text_end + m->dwarf_bias, &u);
	m->lacking += u.lacks_split;
	for (size_t i = 0; i < count && !r; i++) {
		uint64_t address = lookups[i].address;
		size_t n = frames_at(m, &u, address, frames);

		r = visitor(arg, lookups[i].index, frames, n,
			    unit_find(&u, address + m->dwarf_bias), &u, m->dwarf_bias);
	}
	return r;
}

int module_visit(struct module *m, const uint64_t *addresses, size_t count,
		 module_visitor *visitor, void *arg)
{
	_cleanup_(freep) struct lookup *lookups = NULL;
	_cleanup_(freep) struct module_frame *frames =
		calloc(MODULE_MAX_FRAMES, sizeof(*frames));
	int r = m->loaded ? 0 : load(m);

	if (r || !frames)
		return r ? r : -ENOMEM;
	lookups = plan(m, addresses, count);
	if (!lookups)
		return -ENOMEM;
	for (size_t i = 0, n; i < count && !r; i += n) {
		for (n = 1; i + n < count && lookups[i + n].unit == lookups[i].unit;
		     n++)
			;
		r = visit_unit(m, lookups + i, n, frames, visitor, arg);
	}
	return r;
}

struct names_only {
	module_sink *sink;
	void *arg;
};

static int pass_on(void *arg, size_t index, const struct module_frame *frames,
		   size_t count, const struct unit_node *innermost,
		   const struct unit *unit, uint64_t bias)
{
	const struct names_only *n = arg;

	(void)innermost, (void)unit, (void)bias;
	return n->sink(n->arg, index, frames, count);
}

int module_resolve(struct module *m, const uint64_t *addresses, size_t count,
		   module_sink *sink, void *arg)
{
	struct names_only names = {sink, arg};

	return module_visit(m, addresses, count, pass_on, &names);
}
