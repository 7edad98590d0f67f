/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_postcopy.c - a small vhost-user front-end whose memory comes page by page: QEMU docs/interop/vhost-user.rst, "Migration",
 * SET_MEM_TABLE and the messages POSTCOPY_ADVISE, LISTEN and END.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>

int frontend_postcopy_advise(struct frontend *fe, int *userfault)
{
	struct vu_msg msg = frontend_msg(VU_POSTCOPY_ADVISE, 0), answer;
	int err = frontend_ask(fe, &msg, &answer);

	if (err)
		return err;
	if (answer.h.size || answer.nfds != 1) {
		vu_msg_close_fds(&answer);
		return fe_fail(fe, -EPROTO, "the answer to POSTCOPY_ADVISE has %u bytes and %u descriptors, not 0 and 1",
			       answer.h.size, answer.nfds);
	}
	*userfault = answer.fds[0];
	return 0;
}

int frontend_postcopy_listen(struct frontend *fe)
{
	struct vu_msg msg = frontend_msg(VU_POSTCOPY_LISTEN, 0);

	return frontend_tell(fe, &msg);
}

int frontend_postcopy_announce(struct frontend *fe, uint64_t *bases)
{
	struct vu_msg msg, answer;
	int err = fe_mem_table(fe, &msg);

	if (!err)
		err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	if (answer.h.size != msg.h.size || answer.p.table.nregions != msg.p.table.nregions)
		return fe_fail(fe, -EPROTO, "the answer to SET_MEM_TABLE has %u bytes and %u regions, not %u and %u",
			       answer.h.size, answer.p.table.nregions, msg.h.size, msg.p.table.nregions);
	for (uint32_t i = 0; i < msg.p.table.nregions; i++)
		bases[i] = answer.p.table.regions[i].user_addr;
	return 0;
}

int frontend_postcopy_ready(struct frontend *fe)
{
	const struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, sizeof(msg.p.u64));

	/* Nothing is answered, so what came of it shows with the next message. */
	return frontend_send(fe, &msg);
}

int frontend_postcopy_end(struct frontend *fe)
{
	struct vu_msg msg = frontend_msg(VU_POSTCOPY_END, 0), answer;
	int err = frontend_ask(fe, &msg, &answer);

	if (err)
		return err;
	vu_msg_close_fds(&answer);
	return answer.h.size != sizeof(answer.p.u64) || answer.p.u64 ?
		       fe_fail(fe, -EREMOTEIO, "POSTCOPY_END was answered with %llu", (unsigned long long)answer.p.u64) :
		       0;
}
