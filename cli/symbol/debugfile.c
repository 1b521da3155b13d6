#include "cli/symbol/debugfile.h"

#include "cli/base/cleanup.h"
#include "cli/symbol/root.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define DEBUG_DIR "/usr/lib/debug"

struct debugfile_id debugfile_id_of(Elf *elf)
{
	struct debugfile_id id = {0};
	const void *bytes = NULL;
	ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);

	if (len > 0 && len <= DEBUGFILE_MAX_ID) {
		id.len = (size_t)len;
		memcpy(id.bytes, bytes, id.len);
	}
	return id;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct debugfile_id debugfile_id_parse(const char *hex)
{
	struct debugfile_id id = {0};
	size_t len = strnlen(hex, 2 * DEBUGFILE_MAX_ID + 1);

	if (len % 2 || len > 2 * DEBUGFILE_MAX_ID)
		return id;
	for (size_t i = 0; i < len; i += 2) {
		int high = digit(hex[i]), low = digit(hex[i + 1]);

		if (high < 0 || low < 0)
			return id;
		id.bytes[i / 2] = (unsigned char)(high << 4 | low);
	}
	id.len = len / 2;
	return id;
}

bool debugfile_same_id(const struct debugfile_id *a, const struct debugfile_id *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static void elf_endp(Elf **elf)
{
	elf_end(*elf);
}

static bool file_has_id(int fd, const struct debugfile_id *id)
{
	_cleanup_(elf_endp) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	struct debugfile_id found;

	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return false;
	found = debugfile_id_of(elf);
	return debugfile_same_id(&found, id);
}

int debugfile_by_id(int root_fd, const struct debugfile_id *id, const char *suffix)
{
	char path[sizeof(DEBUG_DIR) + 2 * DEBUGFILE_MAX_ID + 32];
	int n;

	if (id->len < 2)
		return -ENOENT;
	n = sprintf(path, DEBUG_DIR "/.build-id/%02x/", id->bytes[0]);
	for (size_t i = 1; i < id->len; i++)
		n += sprintf(path + n, "%02x", id->bytes[i]);
	for (int ours = 0; ours < 2; ours++) {
		_cleanup_(closep) int fd =
			root_open_joined(ours ? -1 : root_fd, path, suffix, "");

		if (fd >= 0 && file_has_id(fd, id))
			return take_fd(fd);
		if (root_fd < 0)
			break;
	}
	return -ENOENT;
}

static bool file_has_crc(int fd, uint32_t crc)
{
	_cleanup_(freep) unsigned char *piece = malloc(1 << 16);
	uLong sum = crc32(0, NULL, 0);
	off_t at = 0;

	if (!piece)
		return false;
	for (ssize_t n; (n = pread(fd, piece, 1 << 16, at)) > 0; at += n)
		sum = crc32(sum, piece, (uInt)n);
	return sum == crc;
}

/* Length of the directory part, with its slash; 0 if there is none. */
static int dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	ptrdiff_t len = slash ? slash - path + 1 : 0;

	return len < PATH_MAX ? (int)len : 0;
}

/* The link is one name, not a path, or the file could be anything. */
int debugfile_by_link(int root_fd, const char *path, const char *link, uint32_t crc,
		      const struct debugfile_id *id)
{
	static const char *const before[] = {"", "", DEBUG_DIR};
	static const char *const after[] = {"", ".debug/", ""};

	if (!*link || strchr(link, '/') || !strcmp(link, ".."))
		return -ENOENT;
	for (size_t i = 0; i < 3; i++) {
		char dir[PATH_MAX];
		_cleanup_(closep) int fd = -1;
		int len = snprintf(dir, sizeof(dir), "%s%.*s%s", before[i],
				   dir_len(path), path, after[i]);

		if (len < 0 || (size_t)len >= sizeof(dir))
			continue;
		fd = root_open_joined(root_fd, dir, link, "");
		if (fd >= 0 && (id->len ? file_has_id(fd, id) : file_has_crc(fd, crc)))
			return take_fd(fd);
	}
	return -ENOENT;
}

int debugfile_shared(int root_fd, const char *debug_path, const char *name,
		     const struct debugfile_id *id)
{
	_cleanup_(closep) int fd = debugfile_by_id(root_fd, id, ".debug");
	char dir[PATH_MAX];

	if (fd >= 0)
		return take_fd(fd);
	snprintf(dir, sizeof(dir), "%.*s", *name == '/' ? 0 : dir_len(debug_path),
		 debug_path);
	fd = root_open_joined(root_fd, dir, name, "");
	return fd >= 0 && file_has_id(fd, id) ? take_fd(fd) : -ENOENT;
}
