// SPDX-License-Identifier: GPL-2.0-or-later
// Edits the value of one define of an nft settings file, and keeps all else byte for byte.
#include "settings_edit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_replace.h"

/* What is longer is no file that an operator edits. */
#define FILE_MAX (64L * 1024 * 1024)

/* --- text ---------------------------------------------------------------------------------------- */

enum token_kind {
	TOKEN_END,
	TOKEN_SEPARATOR, /* of statements */
	TOKEN_WORD,
	TOKEN_OTHER,
};

struct token {
	enum token_kind kind;
	const char *text;
	size_t length;
};

struct scanner {
	const char *next, *end;
	size_t depth; /* of braces */
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || memchr("_.-/", c, 4);
}

/* What is behind the next character c, or the end. */
static const char *behind(const struct scanner *scanner, char c)
{
	const char *found = memchr(scanner->next, c, (size_t)(scanner->end - scanner->next));

	return found ? found + 1 : scanner->end;
}

/* Blanks, comments, and newlines behind a backslash (nft's scanner.l). */
static void skip(struct scanner *scanner)
{
	while (scanner->next < scanner->end) {
		const char c = *scanner->next;

		if (c == ' ' || c == '\t') {
			scanner->next++;
		} else if (c == '\\' && scanner->end - scanner->next > 1 &&
			   scanner->next[1] == '\n') {
			scanner->next += 2;
		} else if (c == '#') {
			scanner->next = behind(scanner, '\n');
			/* The newline is no part of the comment. */
			if (scanner->next[-1] == '\n')
				scanner->next--;
		} else {
			return;
		}
	}
}

static struct token token_next(struct scanner *scanner)
{
	struct token token = { .kind = TOKEN_END };

	skip(scanner);
	token.text = scanner->next;
	if (scanner->next == scanner->end)
		return token;
	if (is_word(*scanner->next)) {
		token.kind = TOKEN_WORD;
		while (scanner->next < scanner->end && is_word(*scanner->next))
			scanner->next++;
		token.length = (size_t)(scanner->next - token.text);
		return token;
	}
	scanner->next++;
	token.kind = *token.text == '\n' || *token.text == ';' ? TOKEN_SEPARATOR : TOKEN_OTHER;
	/* In a string nothing has a meaning. */
	if (*token.text == '"')
		scanner->next = behind(scanner, '"');
	else if (*token.text == '{')
		scanner->depth++;
	else if (*token.text == '}' && scanner->depth)
		scanner->depth--;
	token.length = (size_t)(scanner->next - token.text);
	return token;
}

static bool token_is(const struct token *token, const char *text)
{
	return token->length == strlen(text) && !memcmp(token->text, text, token->length);
}

static bool names_variable(const struct token *token)
{
	return token_is(token, "define") || token_is(token, "redefine") ||
	       token_is(token, "undefine");
}

/* Behind the name: "= word", and no more. */
static bool value_take(struct scanner *scanner, struct token *ret)
{
	struct token token = token_next(scanner);

	if (!token_is(&token, "="))
		return false;
	*ret = token_next(scanner);
	if (ret->kind != TOKEN_WORD)
		return false;
	token = token_next(scanner);
	return token.kind == TOKEN_SEPARATOR || token.kind == TOKEN_END;
}

/*
 * settings_edit_find - the value of a define in the text of a settings file.
 *
 * It is one word, and the only one for that name: what undoes or changes a variable further down, or in a block, makes it unclear
 * which value counts. Errors: -ENOENT no such define; -EEXIST more than one; -EINVAL its value is not one word.
 */
int settings_edit_find(const char *text, size_t length, const char *name,
		       struct settings_edit_place *ret)
{
	struct scanner scanner = { .next = text, .end = text + length };
	struct token token = { .kind = TOKEN_SEPARATOR }, before, value = { 0 };
	bool found = false, good = false;

	while (token.kind != TOKEN_END) {
		before = token;
		token = token_next(&scanner);
		if (!token_is(&token, name) || !names_variable(&before))
			continue;
		if (found)
			return -EEXIST;
		found = true;
		good = token_is(&before, "define") && !scanner.depth &&
		       value_take(&scanner, &value);
	}
	if (!found)
		return -ENOENT;
	if (!good)
		return -EINVAL;
	ret->offset = (size_t)(value.text - text);
	ret->length = value.length;
	return 0;
}

/* --- files --------------------------------------------------------------------------------------- */

struct settings_file {
	char *path; /* of the file itself, where the one that was named is a link */
	const char *name; /* in its folder */
	int folder_fd;
	int fd;
	struct stat status;
	char *text;
	size_t length;
	struct settings_edit_place place;
};

static int failed(int error, const char *doing, const char *path, struct errmsg *reterr)
{
	if (error == -EMEDIUMTYPE)
		return errmsg_set(reterr, error, "%s is no regular file", path);
	if (error == -ESTALE)
		return errmsg_set(reterr, error, "%s was changed by somebody else just now", path);
	return errmsg_set(reterr, error, "cannot %s %s: %s", doing, path, strerror(-error));
}

static int unclear(int error, const char *path, const char *name, struct errmsg *reterr)
{
	if (error == -ENOENT)
		return errmsg_set(reterr, error, "%s has no \"define %s\"", path, name);
	if (error == -EEXIST)
		return errmsg_set(reterr, error, "%s has more than one \"define %s\"", path, name);
	return errmsg_set(reterr, error, "%s: \"define %s\" is not one word", path, name);
}

static void file_close(struct settings_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->folder_fd >= 0)
		close(file->folder_fd);
	free(file->text);
	free(file->path);
}

static int open_in_folder(struct settings_file *file, const char *path)
{
	char *slash;

	file->path = realpath(path, NULL);
	if (!file->path)
		return -errno;
	slash = strrchr(file->path, '/');
	file->name = slash + 1;
	*slash = '\0';
	file->folder_fd = open(*file->path ? file->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (file->folder_fd < 0)
		return -errno;
	/* What waits to be written to, like a fifo, must not hold us up. */
	file->fd =
		openat(file->folder_fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &file->status))
		return -errno;
	if (!S_ISREG(file->status.st_mode))
		return -EMEDIUMTYPE;
	return file->status.st_size > FILE_MAX ? -EFBIG : 0;
}

static int text_read(struct settings_file *file)
{
	const size_t size = (size_t)file->status.st_size;
	ssize_t got = 1;

	file->text = malloc(size + 1);
	if (!file->text)
		return -ENOMEM;
	while (file->length < size && got) {
		got = read(file->fd, file->text + file->length, size - file->length);
		if (got < 0 && errno != EINTR)
			return -errno;
		file->length += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

/* ret: ended with file_close, also after an error. */
static int file_open(struct settings_file *ret, const char *path, const char *name,
		     struct errmsg *reterr)
{
	int err;

	*ret = (struct settings_file){ .folder_fd = -1, .fd = -1 };
	err = open_in_folder(ret, path);
	if (!err)
		err = text_read(ret);
	if (err)
		return failed(err, "read", path, reterr);
	err = settings_edit_find(ret->text, ret->length, name, &ret->place);
	return err ? unclear(err, path, name, reterr) : 0;
}

/*
 * settings_edit_read - the value of a define.
 *
 * Errors: those of settings_edit_find; -ERANGE its value is too long; -EMEDIUMTYPE no regular file; what open(2) and read(2) say.
 */
int settings_edit_read(const char *path, const char *name, char ret[SETTINGS_EDIT_WORD_MAX],
		       struct errmsg *reterr)
{
	struct settings_file file;
	int err = file_open(&file, path, name, reterr);

	if (!err && file.place.length >= SETTINGS_EDIT_WORD_MAX)
		err = errmsg_set(reterr, -ERANGE, "%s: the value of \"define %s\" is too long",
				 path, name);
	if (!err)
		snprintf(ret, SETTINGS_EDIT_WORD_MAX, "%.*s", (int)file.place.length,
			 file.text + file.place.offset);
	file_close(&file);
	return err;
}

/* Another owner than us: only root can give a file away, and without that it must stay as it is. */
static int owner_keep(const struct settings_file *file, int fd)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if ((status.st_uid != file->status.st_uid || status.st_gid != file->status.st_gid) &&
	    fchown(fd, file->status.st_uid, file->status.st_gid))
		return -errno;
	return fchmod(fd, file->status.st_mode & 07777) ? -errno : 0;
}

/* An editor may have saved it since it was read. */
static int still_the_same(const struct settings_file *file)
{
	const struct stat *before = &file->status;
	struct stat now;

	if (fstatat(file->folder_fd, file->name, &now, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
			       now.st_size == before->st_size &&
			       now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
			       now.st_mtim.tv_nsec == before->st_mtim.tv_nsec ?
		       0 :
		       -ESTALE;
}

static int file_write(const struct settings_file *file, const char *value)
{
	const size_t tail = file->place.offset + file->place.length;
	struct file_replace replace;
	int err = file_replace_open(&replace, file->folder_fd, file->name);

	if (err)
		return err;
	fwrite(file->text, 1, file->place.offset, replace.to);
	fputs(value, replace.to);
	fwrite(file->text + tail, 1, file->length - tail, replace.to);
	err = owner_keep(file, fileno(replace.to));
	if (!err)
		err = file_replace_ready(&replace);
	if (!err)
		err = still_the_same(file);
	if (err) {
		file_replace_cancel(&replace);
		return err;
	}
	return file_replace_commit(&replace, NULL);
}

/*
 * settings_edit_write - gives a define another value: at any moment the file is the old one or the new one.
 *
 * A link stays a link: the file that it names is edited. Mode and owner stay. value: one word.
 * Errors: those of settings_edit_read; -ESTALE it was changed meanwhile; what is said of a file that cannot be written.
 */
int settings_edit_write(const char *path, const char *name, const char *value,
			struct errmsg *reterr)
{
	struct settings_file file;
	int err = file_open(&file, path, name, reterr);

	if (!err && (file.place.length != strlen(value) ||
		     memcmp(file.text + file.place.offset, value, file.place.length))) {
		err = file_write(&file, value);
		if (err)
			failed(err, "write", file.path, reterr);
	}
	file_close(&file);
	return err;
}
