/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_DIFF_H
#define CMD_DIFF_H

/*
 * The difference between two states of a node, as values: what `diff` prints.
 *
 * Two lists of elements are compared, and what differs is told in the words of
 * people: frontends and endpoints, grouped by Service port. Slots do not occur.
 */

#include "cmd/options.h"
#include "nft/blame.h"
#include "nft/sock.h"
#include "nft/state.h"
#include "nft/view.h"
#include "proxy/planner.h"

enum diff_op {
	DIFF_ADD = 1,
	DIFF_REMOVE,
	DIFF_CHANGE,
};

/* What a line is about; lines of a group stand in this order. */
enum diff_object {
	DIFF_TABLE = 1,
	DIFF_AFFINITY_MAP, /* its size */
	DIFF_SERVICE_RANGE,
	DIFF_POD_RANGE,
	DIFF_FRONTEND,
	DIFF_CLOSED_PORTS, /* of a cluster IP: refused */
	DIFF_ENDPOINT,
	DIFF_LOCAL_ENDPOINT, /* an endpoint of this node may reach itself through a Service */
};

/* Why; the texts are part of the JSON form. */
enum diff_reason {
	DIFF_NO_REASON,
	DIFF_TABLE_MISSING,
	DIFF_OTHER_LAYOUT,
	DIFF_FOREIGN_RULES,
	DIFF_RECORDS_LOST,
	DIFF_FOREIGN_ELEMENT, /* of no Service */
	DIFF_FOREIGN_CHANGE,  /* of a Service, but not as we write it */
	DIFF_NO_ENDPOINTS,
	DIFF_NO_LOCAL_ENDPOINT,
	DIFF_SERVICE_GONE,
	DIFF_NO_CLUSTER_IP,
	DIFF_PORT_GONE,
	DIFF_ADDRESS_GONE,
	DIFF_HELD,
	DIFF_NOT_READY,
	DIFF_TERMINATING,
	DIFF_ENDPOINT_GONE,
	DIFF_ELSEWHERE,
	DIFF_NOT_LOCAL,
	DIFF_TOO_MANY,
	DIFF_FALLBACK,
	DIFF_NOW_LOCAL,
	DIFF_NO_LONGER_LOCAL,
	DIFF_REASON_COUNT,
};

/** diff_reason_text() - "endpoint not ready"; "" for none. */
const char *diff_reason_text(enum diff_reason reason);

/** The Service port that lines are grouped by; borrowed from elements. */
struct diff_group {
	const char
		*label;   /* "namespace/name[:port]"; NULL: what belongs to the node or to nobody */
	uint8_t protocol; /* 0 with a NULL label */
};

/** A frontend as it is and as it would be; answer NONE: not there. */
struct diff_front {
	enum lb_kind kind; /* 0: external, more is not known */
	struct nftx_view before;
	struct nftx_view after;
};

/** One thing that would be added, removed or changed. */
struct diff_line {
	enum diff_op op;
	enum diff_object object;
	enum diff_reason reason;
	struct diff_group group;
	uint8_t family;           /* 4 or 6 */
	uint16_t port;            /* frontends and endpoints */
	struct ipaddr addr;       /* of a range the first one */
	struct ipaddr last;       /* ranges */
	char *detail;             /* more about the reason, owned; NULL: nothing */
	struct diff_front *front; /* frontends; owned */
	uint32_t size_before;     /* maps */
	uint32_t size_after;
};

/** A state: the kernel's, or what a source makes. */
struct diff_side {
	struct proxy_planner *planner; /* NULL: the kernel's */
	struct proxy_changes changes;
	struct nftx_options nft[2];
	struct nftx_elems elems; /* sorted */
	uint32_t *timeouts[2];   /* of ip, of ip6: the remember chains that are there, ascending */
	size_t timeout_count[2];
};

/** What the kernel said to what would be sent. */
struct diff_check {
	bool made;
	struct nftx_blames refused; /* Services */
	char error[240];            /* refused, but not for a Service's sake; "": not so */
};

struct diff {
	struct diff_side from;
	struct diff_side to;
	enum diff_reason
		tables[2];    /* why the table of ip, of ip6 would be made anew; 0: it stays */
	char layouts[2][256]; /* the comment it has, when it is of another layout */
	uint32_t affinity_sizes[2]; /* of the affinity maps; 0: as they shall be */
	struct nftx_diff elements;
	struct diff_line *lines; /* sorted by group */
	size_t line_count, line_cap;
	size_t counts[DIFF_CHANGE + 1]; /* by operation */
	struct diff_check check;
};

/** diff_read_kernel() - take what the kernel holds for the state that @diff starts from.
 *
 * @diff: to.nft says which layout is expected.
 *
 * Return: 0 or a negative errno.
 */
int diff_read_kernel(struct diff *diff, struct nftx_sock *sock, struct err *err) MUST_CHECK;

/** diff_render() - render the elements of a side that has a planner.
 *
 * @slots: sorted elements whose slots are kept where that is possible; NULL: none.
 */
void diff_render(struct diff_side *side, const struct nftx_elems *slots);

/** diff_compute() - compare both sides' elements and tell what differs in lines. */
void diff_compute(struct diff *diff);

/** diff_check() - have the kernel check all that a start would send, as a dry run (a batch without its
 *  end message): into tables of another name, since those that a daemon owns take nothing from others.
 *
 * To be called after diff_render() of the desired side.
 */
void diff_check(struct diff *diff, struct nftx_sock *sock);

/** diff_is_refused() - was it checked, and refused in part or as a whole? */
bool diff_is_refused(const struct diff *diff);

/** diff_done() - free everything, planners included. */
void diff_done(struct diff *diff);

/** diff_is_empty() - is everything as it shall be? */
bool diff_is_empty(const struct diff *diff);

/** diff_text(), diff_json(), diff_nft() - append @diff in one of its forms; see kubenft(8).
 *
 * @colour: with escape sequences of terminals.
 */
void diff_text(const struct diff *diff, bool colour, struct strbuf *out);
void diff_json(const struct diff *diff, struct strbuf *out);
void diff_nft(const struct diff *diff, struct strbuf *out);

#endif
