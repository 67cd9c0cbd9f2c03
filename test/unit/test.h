/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_TEST_H
#define TEST_UNIT_TEST_H

/* cmocka.h expects these four to be included first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

#endif
