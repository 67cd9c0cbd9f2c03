/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SETTINGS_H
#define CMD_SETTINGS_H

/*
 * Every setting there is, in one table: kube-proxy's flags and the fields of
 * KubeProxyConfiguration v1alpha1, and our own. From the table come the command
 * line, --help, the configuration file, validation, /configz, /flagz and the
 * reference in README.md.
 *
 * A value is text until it is applied, in one canonical form for each type,
 * whether it was a flag, a field of the file or the default. So what can be
 * said, printed and read back is the same everywhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct options;

/** What a value is. In a file: a scalar of that type, or what is said here. */
enum setting_type {
	SETTING_BOOL = 1, /* true, false */
	SETTING_NUMBER,   /* whole */
	SETTING_DECIMAL,  /* in thousandths */
	SETTING_DURATION, /* "1h30m", as Go writes it; in a file a string */
	SETTING_TEXT,
	SETTING_SIZE,     /* of memory: "64Ki" or a number */
	SETTING_LIST,     /* texts, joined by commas; in a file a list of strings */
	SETTING_SWITCHES, /* name=true|false, joined by commas; in a file an object of booleans */
	SETTING_VMODULE,  /* pattern=N, joined by commas; in a file a list of objects */
};

/* Bits of a setting, beside those of enum command that say which commands have the flag. */
#define SETTING_KEEPS_ZERO (1u << 8)    /* in a file, 0 and false are meant; elsewhere: not set */
#define SETTING_BESIDE_CONFIG (1u << 9) /* the flag counts although there is a --config */
#define SETTING_NOT_EMPTY (1u << 10) /* an empty flag is a mistake; elsewhere it means not given */
#define SETTING_VALUE_OPTIONAL (1u << 11) /* the flag alone means true */
#define SETTING_NS_NUMBER (1u << 12)      /* in a file, a number is a duration in nanoseconds */
#define SETTING_OWN (1u << 13)            /* in a file, it is in KubenftConfiguration */
#define SETTING_DERIVED (1u << 14)        /* has its effect by way of another setting */

/** Applies a canonical value that is not empty. */
typedef int (*setting_fn)(struct options *options, const char *value, struct err *err);

/** One setting. Without @at, @set and SETTING_DERIVED it is accepted and has no effect. */
struct setting {
	const char *flag; /* NULL: only in a file */
	const char *path; /* "conntrack.min" in the file; NULL: only a flag */
	enum setting_type type;
	unsigned bits;
	const char *fallback; /* the default, canonical */
	int64_t min, max;     /* of a number, of a duration in microseconds; both 0: any */
	size_t at;            /* where it goes in struct options, by type; 0: nowhere */
	setting_fn set;
	const char *arg;  /* what --help calls the value */
	const char *help; /* what it does, or why it has no effect */
};

/** The table: fields of a file in their order there, then what is only a flag. */
extern const struct setting settings_table[];
extern const size_t settings_count;

/** settings_find_flag() - by name, or NULL. */
const struct setting *settings_find_flag(const char *name);

/** settings_find_path() - by path in the KubeProxyConfiguration or, with SETTING_OWN in @bits, in
 *  the KubenftConfiguration; or NULL. */
const struct setting *settings_find_path(const char *path, unsigned bits);

/** settings_is_section() - is there a setting whose path begins with @path and a dot? */
bool settings_is_section(const char *path, unsigned bits);

/** setting_has_effect() - does kubenft do anything with it? */
bool setting_has_effect(const struct setting *setting);

/** setting_canonical() - check a value and append its canonical form.
 *
 * Return: 0, or -EINVAL with a sentence that quotes the value.
 */
int setting_canonical(const struct setting *setting, const char *text, struct strbuf *out,
                      struct err *err) MUST_CHECK;

/** setting_json() - append a canonical value as it stands in a file: JSON, which is YAML, too. */
void setting_json(const struct setting *setting, const char *text, struct strbuf *out);

/** setting_store() - put a canonical value where @at says; @text is borrowed for the type text. */
void setting_store(const struct setting *setting, const char *text, struct options *options);

/** Where a value comes from. */
enum setting_origin {
	FROM_DEFAULT,
	FROM_FILE,
	FROM_FLAG,
};

struct settings; /* opaque: the values of all settings */

/** settings_new() - nothing given yet. Release with settings_free(). */
struct settings *settings_new(void);

/** settings_free() - NULL is a no-op. */
void settings_free(struct settings *settings);

/** settings_flag() - the flag was given; a list's flag may be given several times. */
int settings_flag(struct settings *settings, const struct setting *setting, const char *text,
                  struct err *err) MUST_CHECK;

/** settings_file() - the file has it. */
int settings_file(struct settings *settings, const struct setting *setting, const char *text,
                  struct err *err) MUST_CHECK;

/** settings_forget_file() - the file does not have it after all. */
void settings_forget_file(struct settings *settings, const struct setting *setting);

/** settings_resolve() - decide on what counts: the default, the file, or the flag.
 *
 * @has_config: there is a --config, beside which few flags count.
 */
void settings_resolve(struct settings *settings, bool has_config);

/** settings_replace() - another effective value, which follows from others. */
void settings_replace(struct settings *settings, const struct setting *setting, const char *text);

/** settings_value() - what counts; valid until it is replaced. */
const char *settings_value(const struct settings *settings, const struct setting *setting);

/** settings_origin() - who has said so. */
enum setting_origin settings_origin(const struct settings *settings, const struct setting *setting);

/** settings_given_flag() - the flag's value, whether or not it counts; NULL: not given. */
const char *settings_given_flag(const struct settings *settings, const struct setting *setting);

#endif
