/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/** siphash() - SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012).
 *
 * For hash tables whose keys strangers choose: without @key nobody can aim at
 * one bucket.
 */
uint64_t siphash(const uint8_t key[static 16], const void *data, size_t len);

#endif
