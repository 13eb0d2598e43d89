/* SPDX-License-Identifier: MIT */
/* A doubly linked list inside its elements. The head is a struct list too; an element says in a
 * comment which list its link is for. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Takes the link out; it is a list of its own afterwards, so taking it out twice is harmless. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* The element at hand may be taken out of the list or freed inside the loop. */
#define LIST_EACH(head, at, type, member)                                                          \
    for (type *at = LIST_ENTRY((head)->next, type, member),                                        \
              *at##_next = LIST_ENTRY(at->member.next, type, member);                              \
         &at->member != (head);                                                                    \
         at = at##_next, at##_next = LIST_ENTRY(at->member.next, type, member))

#endif
