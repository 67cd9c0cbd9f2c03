/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_WATCH_DIR_H
#define TEST_UNIT_WATCH_DIR_H

/* A directory of a test's own, which it works in. */

#include <stddef.h>

/** dir_make() - cmocka setup: make the directory and go there. */
int dir_make(void **state);

/** dir_remove() - cmocka teardown: go back and remove it with all in it. */
int dir_remove(void **state);

/** dir_path() - its absolute path. */
const char *dir_path(void);

/** dir_data() - the absolute path of test/data. */
const char *dir_data(void);

/** dir_write() - make the file @name of @text, opened once and closed. */
void dir_write(const char *name, const char *text);

/** dir_open_fds() - descriptors that are open. */
size_t dir_open_fds(void);

/** dir_inheritable_fds() - descriptors above 2, opened since dir_make(), that a child would inherit. */
size_t dir_inheritable_fds(void);

#endif
