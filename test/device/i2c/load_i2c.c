/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_i2c.c - keeps an I2C adapter busy with groups of transfers: test/lib/guest_load.h.
 */
#include <check.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

struct i2c_load {
	struct load_requests requests;
	uint32_t told; /* what the device was told last */
};

/* VIRTIO 1.4, section 5.16: address, padding, flags, then the register and what is written. */
static struct load_slot *i2c_send(struct load *l, uint8_t flags, const uint32_t *value, unsigned int room)
{
	uint8_t out[13] = {0x20 << 1, 0, 0, 0, flags};

	if (value)
		memcpy(out + 9, value, sizeof(*value));
	return load_request(l, out, room ? 8 : value ? 13 : 9, room + 1, 1, 0);
}

#define I2C_FAIL_NEXT 1
#define I2C_READ      2

static void i2c_submit(struct load *l)
{
	struct i2c_load *r = l->priv;
	struct load_slot *s;

	while (random_next(&l->random) % 8 && load_slots_free(l) >= 3 && driver_ring_free_descs(frontend_ring(l->fe, 0)) >= 6) {
		if (random_next(&l->random) & 1) {
			r->told++;
			ck_assert_ptr_nonnull(i2c_send(l, 0, &r->told, 0));
		}
		ck_assert_ptr_nonnull(i2c_send(l, I2C_FAIL_NEXT, NULL, 0));
		/* The rest of a group comes when it likes. */
		if (random_next(&l->random) % 16 == 0 && driver_ring_publish(frontend_ring(l->fe, 0)))
			ck_assert_int_eq(frontend_kick(l->fe, 0), 0);
		s = i2c_send(l, I2C_READ, NULL, sizeof(r->told));
		ck_assert_ptr_nonnull(s);
		s->want = r->told;
		s->wants = sizeof(r->told);
	}
}

const struct load_kind load_i2c = {
	.size = sizeof(struct i2c_load),
	.name = "i2c",
	.device = "i2c",
	.args = {"--sim=regs@0x20:16", "--features=+ring_packed,+log_all,+pagefault"},
	.features = BIT(0),
	.nqueues = 1,
	.begin = load_requests_begin,
	.submit = i2c_submit,
	.reap = load_requests_reap,
	.end = load_requests_end,
};
