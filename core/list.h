/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * list.h - a list linked in both directions.  Its nodes are members of what it holds, which container_of finds.
 */
#ifndef VDEVD_CORE_LIST_H
#define VDEVD_CORE_LIST_H

#include "core/base.h"

/* A list, or a node of one.  A node that is in no list points to itself, as an empty list does. */
struct list {
	struct list *next, *prev;
};

/* Makes an empty list, or a node that is in none. */
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

/* Whether a list is empty; whether a node is in none. */
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* The first node, or NULL. */
static inline struct list *list_first(struct list *l)
{
	return list_empty(l) ? NULL : l->next;
}

/* Puts a node that is in no list at the front, or at the end. */
static inline void list_put_first(struct list *l, struct list *node)
{
	node->prev = l;
	node->next = l->next;
	l->next->prev = node;
	l->next = node;
}

static inline void list_put_last(struct list *l, struct list *node)
{
	list_put_first(l->prev, node);
}

/* Takes a node out of its list.  One that is in none is left alone. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Moves the nodes of a list into another, which is empty. */
static inline void list_take(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	list_init(from);
}

#endif
