/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_HTTPS_SERVER_H
#define TEST_UNIT_HTTPS_SERVER_H

/* The servers of https_server.py, for the tests of one binary. */

/** https_start() - cmocka group setup: in a directory of its own, which becomes ours. */
int https_start(void **state);

/** https_stop() - cmocka group teardown. */
int https_stop(void **state);

/** https_port() - of a kind of server; 0: it is not there. */
unsigned https_port(const char *name);

/** https_need() - skip the test when a kind of server is not there. */
void https_need(const char *name);

/** https_ask() - a question as in https_server.py. */
unsigned https_ask(const char *question);

/** https_connections() - made to a kind of server so far. */
unsigned https_connections(const char *name);

#endif
