/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_map.c - buffers in shared memory region 0; see media_map.h.
 *
 * A mapping keeps its memory until the guest gives it up, also where the buffer or its session has gone (a MUST of the standard).
 * MUNMAP is answered at once: the place in the region stays taken until the front-end has unmapped it, so that nothing
 * else can be seen there meanwhile.
 *
 * A reset ends what is asked, but a front-end that reads it later maps all the same.  So such a place stays taken, too, and is unmapped
 * before anything is mapped again; that there was nothing is fine.
 */
#include "devices/media/media_map.h"

#include <errno.h>
#include <limits.h>

/* Offsets are multiples of the largest page a guest has. */
#define GRANULE 65536u

static void mem_drop(struct media_map *m)
{
	media_mem_put(m->mem);
	m->mem = NULL;
}

static void map_free(struct media_maps *maps, struct media_map *m)
{
	struct media_map **at = &maps->first;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	mem_drop(m);
	m->state = MEDIA_MAP_FREE;
}

static uint64_t whole(uint64_t len)
{
	return (len + GRANULE - 1) & ~(uint64_t)(GRANULE - 1);
}

/* Finds the first gap of len bytes.  Returns the link that the new mapping is put into, or NULL. */
static struct media_map **gap_find(struct media_maps *maps, uint64_t len, uint64_t *offset)
{
	struct media_map **at = &maps->first;

	for (*offset = 0; *at; at = &(*at)->next) {
		const struct vdev_mapping *m = &(*at)->ask.mapping;

		if (m->offset - *offset >= len)
			break;
		*offset = m->offset + whole(m->len);
	}
	return *offset <= maps->room && len <= maps->room - *offset ? at : NULL;
}

/* Asks for a mapping to be taken away. */
static void map_end(struct media_maps *maps, struct media_map *m)
{
	m->state = MEDIA_MAP_ENDING;
	m->ask.what = VDEV_SHMEM_UNMAP;
	m->asked = vdev_ask(maps->d, &m->ask) == 0;
	/* A front-end that cannot be asked has no region to look into. */
	if (!m->asked)
		map_free(maps, m);
}

static void place_lost(struct media_maps *maps, struct media_map *m, int err)
{
	log_guest(&maps->d->log, "the front-end does not unmap a buffer (%d): its place in the region is lost", err);
	mem_drop(m);
}

static void map_answered(struct vdev *d, struct vdev_ask *ask, int err, int fd)
{
	struct media_map *m = container_of(ask, struct media_map, ask);
	struct media_maps *maps = m->maps;

	m->asked = false;
	m->unsure = ask->what == VDEV_SHMEM_MAP && err == -ECANCELED;
	if (m->unsure)
		mem_drop(m);
	if (m->state == MEDIA_MAP_ASKED) {
		m->state = err ? MEDIA_MAP_ENDING : MEDIA_MAP_THERE;
		maps->mapped(maps, m, err);
	}
	if (m->state != MEDIA_MAP_ENDING || m->unsure)
		return;
	if (err == -ETIMEDOUT && ask->what == VDEV_SHMEM_MAP)
		map_end(maps, m);
	else if (ask->what == VDEV_SHMEM_MAP || m->mem == NULL || !err || err == -ECANCELED)
		map_free(maps, m);
	else
		place_lost(maps, m, err);
}

/* What may have been mapped behind a reset is unmapped; its memory has gone. */
static void unsure_end(struct media_maps *maps)
{
	struct media_map *next;

	for (struct media_map *m = maps->first; m; m = next) {
		next = m->next;
		if (!m->unsure)
			continue;
		m->unsure = false;
		if (m->front_end == maps->d->front_ends)
			map_end(maps, m);
		else
			map_free(maps, m);
	}
}

static struct media_map *map_find(struct media_maps *maps, const struct media_mem *mem, bool writable)
{
	for (struct media_map *m = maps->first; m; m = m->next) {
		if (m->mem == mem && m->writable == writable && m->state != MEDIA_MAP_ENDING)
			return m;
	}
	return NULL;
}

static struct media_map *map_new(struct media_maps *maps, struct media_mem *mem, bool writable)
{
	struct media_map *m = NULL, **at;
	uint64_t offset;

	for (unsigned int i = 0; !m && i < MEDIA_MAPS_MAX; i++)
		m = maps->at[i].state == MEDIA_MAP_FREE ? &maps->at[i] : NULL;
	at = m ? gap_find(maps, mem->len, &offset) : NULL;
	if (!at)
		return NULL;
	*m = (struct media_map){
		.state = MEDIA_MAP_ASKED,
		.mem = mem,
		.writable = writable,
		.ask = {.what = VDEV_SHMEM_MAP, .mapping = {0, writable, offset, mem->len, 0}, .fd = mem->fd, .done = map_answered},
		.maps = maps,
		.front_end = maps->d->front_ends,
		.next = *at,
	};
	*at = m;
	return m;
}

int media_map(struct media_maps *maps, struct media_mem *mem, bool writable, struct media_map **out)
{
	struct media_map *m = map_find(maps, mem, writable);
	int err;

	if (m) {
		media_mem_put(mem);
		if (m->refs == UINT_MAX)
			return -ENOMEM;
		m->refs++;
		*out = m;
		return 0;
	}
	unsure_end(maps);
	m = map_new(maps, mem, writable);
	if (!m) {
		media_mem_put(mem);
		return -ENOMEM;
	}
	m->refs = 1;
	err = vdev_ask(maps->d, &m->ask);
	m->asked = !err;
	*out = m;
	if (err)
		map_free(maps, m);
	return err;
}

int media_unmap(struct media_maps *maps, uint64_t offset)
{
	for (struct media_map *m = maps->first; m; m = m->next) {
		if (m->ask.mapping.offset != offset || m->state != MEDIA_MAP_THERE || !m->refs)
			continue;
		if (!--m->refs)
			map_end(maps, m);
		return 0;
	}
	return -EINVAL;
}

void media_maps_reset(struct media_maps *maps)
{
	struct media_map *next;

	for (struct media_map *m = maps->first; m; m = next) {
		next = m->next;
		if (m->asked || m->unsure)
			m->state = MEDIA_MAP_ENDING;
		else
			map_free(maps, m);
	}
}

void media_maps_close(struct media_maps *maps)
{
	while (maps->first)
		map_free(maps, maps->first);
}

unsigned int media_maps_count(const struct media_maps *maps)
{
	unsigned int n = 0;

	for (const struct media_map *m = maps->first; m; m = m->next)
		n++;
	return n;
}
