/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_link.c - sets the bit rate of a host's CAN interface and brings it up: rtnetlink(7), linux/can/netlink.h.
 */
#include "devices/can/can_link.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/can/netlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* A request, as it grows; all that is needed fits. */
struct request {
	struct nlmsghdr h;
	struct ifinfomsg link;
	uint8_t attributes[256];
};

/* Appends an attribute.  Returns it. */
static struct rtattr *attribute(struct request *r, unsigned short type, const void *bytes, size_t len)
{
	struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), bytes, len);
	r->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

/* What was appended since is inside of it. */
static void attribute_end(const struct request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((const uint8_t *)r + r->h.nlmsg_len - (const uint8_t *)a);
}

/* Sends the request and waits for its acknowledgement.  Returns 0 or -errno. */
static int ask(int fd, struct request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[1024];
	} answer;
	ssize_t n;

	r->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r->h.nlmsg_type = RTM_NEWLINK;
	if (send(fd, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	do
		n = recv(fd, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.h) + sizeof(answer.e) || answer.h.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.e.error;
}

static struct request request_of(unsigned int index, unsigned int flags, unsigned int change)
{
	return (struct request){
		.h.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = change},
	};
}

static int set_rates(int fd, unsigned int index, uint32_t bitrate, uint32_t data_bitrate)
{
	const struct can_bittiming timing = {.bitrate = bitrate}, data = {.bitrate = data_bitrate};
	const struct can_ctrlmode mode = {.mask = CAN_CTRLMODE_FD, .flags = CAN_CTRLMODE_FD};
	struct request r = request_of(index, 0, 0);
	struct rtattr *info = attribute(&r, IFLA_LINKINFO, NULL, 0);

	attribute(&r, IFLA_INFO_KIND, "can", 3);
	struct rtattr *inner = attribute(&r, IFLA_INFO_DATA, NULL, 0);

	attribute(&r, IFLA_CAN_BITTIMING, &timing, sizeof(timing));
	if (data_bitrate) {
		attribute(&r, IFLA_CAN_DATA_BITTIMING, &data, sizeof(data));
		attribute(&r, IFLA_CAN_CTRLMODE, &mode, sizeof(mode));
	}
	attribute_end(&r, inner);
	attribute_end(&r, info);
	return ask(fd, &r);
}

/* Whether the interface is one of CAN: nothing else is touched. */
static bool is_can(int fd, const char *name)
{
	struct ifreq r = {0};

	memcpy(r.ifr_name, name, strnlen(name, sizeof(r.ifr_name) - 1));
	return ioctl(fd, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == ARPHRD_CAN;
}

static int set_up(int fd, unsigned int index, bool up)
{
	struct request r = request_of(index, up ? IFF_UP : 0, IFF_UP);

	return ask(fd, &r);
}

int can_link_up(const char *name, uint32_t bitrate, uint32_t data_bitrate)
{
	const unsigned int index = if_nametoindex(name);
	int fd, err;

	if (!index)
		return -ENODEV;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	err = is_can(fd, name) ? set_rates(fd, index, bitrate, data_bitrate) : -EAFNOSUPPORT;
	/* It is up, and takes rates only while it is down. */
	if (err == -EBUSY) {
		err = set_up(fd, index, false);
		err = err ? err : set_rates(fd, index, bitrate, data_bitrate);
		/* What was up is up again, whatever the rates. */
		if (err)
			(void)set_up(fd, index, true);
	}
	if (!err)
		err = set_up(fd, index, true);
	close(fd);
	return err;
}
