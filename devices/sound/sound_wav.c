/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_wav.c - streams into files and from files: RIFF WAVE ("Multimedia Programming Interface and Data
 * Specifications", 1991; WAVE_FORMAT_EXTENSIBLE of 2001).
 *
 * Files are read and written by core/uring.h in blocks.  Frames that are played go into the block that is being filled
 * while the other is written; where both are full, the disk is too slow, and the stream stands until one is free.  The
 * header is written again behind each block: whenever vdevd ends, it fits what is there.
 *
 * A file that is not called .wav or .wave has no header: its frames alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/uring.h"
#include "devices/sound/sound_card.h"
#include "devices/sound/sound_host.h"

#define BLOCK  (128u << 10)
#define BLOCKS 2

#define WAVE_PCM	0x0001
#define WAVE_FLOAT	0x0003
#define WAVE_A_LAW	0x0006
#define WAVE_MU_LAW	0x0007
#define WAVE_EXTENSIBLE 0xfffe

struct wav_header {
	char riff[4];
	le32 riff_size;
	char wave[4], fmt[4];
	le32 fmt_size;
	le16 tag, channels;
	le32 rate, bytes_per_second;
	le16 frame_bytes, bits;
	char data[4];
	le32 data_size;
} __attribute__((packed));

_Static_assert(sizeof(struct wav_header) == 44, "the header of a WAVE file");

/* Formats that a file with a header can have. */
static const struct {
	uint16_t tag;
	uint8_t format, bits;
} wav_formats[] = {
	{WAVE_PCM, FMT_U8, 8},	    {WAVE_PCM, FMT_S16, 16},	  {WAVE_PCM, FMT_S24_3, 24},
	{WAVE_PCM, FMT_S32, 32},    {WAVE_FLOAT, FMT_FLOAT, 32},  {WAVE_FLOAT, FMT_FLOAT64, 64},
	{WAVE_A_LAW, FMT_A_LAW, 8}, {WAVE_MU_LAW, FMT_MU_LAW, 8},
};

/* A part of the file in memory. */
struct block {
	struct sound_host_pcm *p;
	struct uring_op op;
	struct iovec iov;
	uint8_t *bytes;
	size_t len, done; /* of bytes: there; written or read by the file's end, or given to the guest */
	uint64_t off;	  /* in the file */
	bool busy;	  /* the file's operation is under way */
	bool ready;	  /* capture: it has frames */
	bool again;	  /* capture: it is read when what is under way has ended */
};

struct sound_host_pcm {
	struct sound_card card;
	struct uring *u;
	int fd;
	bool header;
	uint64_t begin, size;	  /* of the frames in the file; bytes */
	uint64_t whole;		  /* capture: size as it was found */
	struct sound_params file; /* capture: what the file has; playback: what it was begun with */
	bool begun;
	bool anew; /* playback: the file is emptied when what is under way has ended; until then nothing is taken */
	struct block blocks[BLOCKS];
	unsigned int turn; /* the block that is filled, or given next */
	uint64_t end; /* playback: where the next block is written; capture: where the next is read; in frames' bytes */
	struct uring_op head_op;
	struct iovec head_iov;
	struct wav_header head;
	bool head_busy, head_due;
	int err; /* the file has failed */
};

static bool has_header(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcasecmp(dot, ".wav") == 0 || strcasecmp(dot, ".wave") == 0);
}

/* The header of a file with so many bytes of frames.  What is longer than it can say is said to be as long as it can.
 */
static void head_fill(const struct sound_host_pcm *p, uint64_t bytes, struct wav_header *h)
{
	const unsigned int frame = sound_frame_bytes(&p->file), hz = sound_rate_hz(p->file.rate);
	const uint32_t size = (uint32_t)min_u64(bytes, UINT32_MAX - sizeof(*h));
	unsigned int i = 0;

	while (wav_formats[i].format != p->file.format)
		i++;
	*h = (struct wav_header){
		.riff = {'R', 'I', 'F', 'F'},
		.riff_size = htole32(size + (uint32_t)sizeof(*h) - 8),
		.wave = {'W', 'A', 'V', 'E'},
		.fmt = {'f', 'm', 't', ' '},
		.fmt_size = htole32(16),
		.tag = htole16(wav_formats[i].tag),
		.channels = htole16(p->file.channels),
		.rate = htole32(hz),
		.bytes_per_second = htole32(hz * frame),
		.frame_bytes = htole16((uint16_t)frame),
		.bits = htole16(wav_formats[i].bits),
		.data = {'d', 'a', 't', 'a'},
		.data_size = htole32(size),
	};
}

/* ---- playing into a file */

static void head_write(struct sound_host_pcm *p)
{
	p->head_due = false;
	p->head_busy = true;
	head_fill(p, p->size, &p->head);
	p->head_iov = (struct iovec){.iov_base = &p->head, .iov_len = sizeof(p->head)};
	uring_writev(p->u, &p->head_op, p->fd, &p->head_iov, 1, 0);
}

static void file_anew(struct sound_host_pcm *p);

static void head_done(struct uring_op *op, int res)
{
	struct sound_host_pcm *p = container_of(op, struct sound_host_pcm, head_op);

	p->head_busy = false;
	if (res < 0) {
		p->err = res;
	} else if (p->anew) {
		file_anew(p);
		p->card.args.ready(p->card.args.user);
	} else if (p->head_due) {
		head_write(p);
	}
}

static void block_write(struct block *b)
{
	struct sound_host_pcm *p = b->p;

	b->busy = true;
	b->iov = (struct iovec){.iov_base = b->bytes + b->done, .iov_len = b->len - b->done};
	uring_writev(p->u, &b->op, p->fd, &b->iov, 1, p->begin + b->off + b->done);
}

static void block_written(struct block *b, int res)
{
	struct sound_host_pcm *p = b->p;

	b->busy = false;
	if (res <= 0) {
		p->err = res < 0 ? res : -ENOSPC;
		log_guest(p->card.args.log, "%s: %s", p->card.args.name, strerror(-p->err));
		p->card.args.ready(p->card.args.user);
		return;
	}
	b->done += (size_t)res;
	if (b->done < b->len) {
		block_write(b);
		return;
	}
	if (b->off + b->len > p->size)
		p->size = b->off + b->len;
	b->len = b->done = 0;
	p->head_due = p->header;
	if (p->anew)
		file_anew(p);
	else if (p->head_due && !p->head_busy)
		head_write(p);
	p->card.args.ready(p->card.args.user);
}

/* What is in the block that is being filled goes to the file. */
static void wav_flush(struct sound_host_pcm *p)
{
	struct block *b = &p->blocks[p->turn];

	if (p->card.args.capture || b->busy || !b->len || p->err)
		return;
	b->off = p->end;
	b->done = 0;
	p->end += b->len;
	p->turn = (p->turn + 1) % BLOCKS;
	block_write(b);
}

static ssize_t wav_write(struct sound_host_pcm *p, const uint8_t *buf, size_t len)
{
	struct block *b = &p->blocks[p->turn];
	const size_t frame = sound_frame_bytes(&p->card.params);
	ssize_t n;

	if (p->err)
		return p->err;
	/* With both blocks under way the disk is behind: time stands for the stream. */
	if (b->busy || p->anew)
		return 0;
	len = min_size(len, BLOCK / frame * frame - b->len);
	n = card_may(&p->card, len);
	if (n <= 0)
		return n;
	memcpy(b->bytes + b->len, buf, (size_t)n);
	b->len += (size_t)n;
	card_took(&p->card, (size_t)n);
	if (b->len >= BLOCK / frame * frame)
		wav_flush(p);
	return n;
}

/* Empties the file, when nothing is under way to it any more. */
static void file_anew(struct sound_host_pcm *p)
{
	for (unsigned int i = 0; i < BLOCKS; i++) {
		if (p->blocks[i].busy || p->head_busy)
			return;
	}
	p->anew = p->head_due = false;
	if (ftruncate(p->fd, 0) < 0)
		p->err = -errno;
	for (unsigned int i = 0; i < BLOCKS; i++)
		p->blocks[i].len = p->blocks[i].done = 0;
	p->end = p->size = 0;
	p->begin = p->header ? sizeof(struct wav_header) : 0;
	if (p->header && !p->err)
		head_write(p);
}

/* Where the frames to come are not of the kind that is there, the file begins anew. */
static void file_begin(struct sound_host_pcm *p, const struct sound_params *params)
{
	if (p->begun && p->file.format == params->format && p->file.rate == params->rate &&
	    p->file.channels == params->channels)
		return;
	if (p->begun)
		log_info(p->card.args.log, "%s: begins anew, with %s, %u Hz, %u channels", p->card.args.name,
			 sound_format_name(params->format), sound_rate_hz(params->rate), params->channels);
	p->file = *params;
	p->begun = p->anew = true;
	file_anew(p);
}

/* ---- recording from a file */

/* Reads what block_next has planned. */
static void block_read(struct block *b)
{
	struct sound_host_pcm *p = b->p;

	b->iov = (struct iovec){.iov_base = b->bytes, .iov_len = b->len};
	b->busy = true;
	uring_readv(p->u, &b->op, p->fd, &b->iov, 1, p->begin + b->off);
}

/* The block has what comes next in the file, when it is read; nothing, where the end of the file has come. */
static void block_next(struct block *b)
{
	struct sound_host_pcm *p = b->p;
	const size_t frame = sound_frame_bytes(&p->file);

	if (p->card.args.loop_file && p->end >= p->size)
		p->end = 0;
	b->len = (size_t)min_u64(p->size - min_u64(p->size, p->end), BLOCK / frame * frame);
	b->done = 0;
	b->off = p->end;
	p->end += b->len;
	b->again = b->busy;
	b->ready = !b->len && !b->busy;
	if (b->len && !b->busy)
		block_read(b);
}

static void block_was_read(struct block *b, int res)
{
	struct sound_host_pcm *p = b->p;
	const size_t frame = sound_frame_bytes(&p->file);

	b->busy = false;
	/* The stream was prepared anew meanwhile. */
	if (b->again && b->len) {
		b->again = false;
		block_read(b);
		return;
	}
	if (res < 0) {
		p->err = res;
		log_guest(p->card.args.log, "%s: %s", p->card.args.name, strerror(-res));
		res = 0;
	}
	b->len = b->again ? 0 : (size_t)res / frame * frame;
	b->again = false;
	b->ready = true;
	p->card.args.ready(p->card.args.user);
}

static void block_done(struct uring_op *op, int res)
{
	struct block *b = container_of(op, struct block, op);

	if (b->p->card.args.capture)
		block_was_read(b, res);
	else
		block_written(b, res);
}

static ssize_t wav_read(struct sound_host_pcm *p, uint8_t *buf, size_t len)
{
	struct block *b = &p->blocks[p->turn];
	ssize_t n;

	if (p->err)
		return p->err;
	if (!b->ready)
		return 0;
	if (b->len > b->done)
		len = min_size(len, b->len - b->done);
	n = card_may(&p->card, len);
	if (n <= 0)
		return n;
	if (!b->len) {
		sound_silence(p->card.params.format, buf, (size_t)n);
	} else {
		memcpy(buf, b->bytes + b->done, (size_t)n);
		b->done += (size_t)n;
		if (b->done == b->len) {
			block_next(b);
			p->turn = (p->turn + 1) % BLOCKS;
		}
	}
	card_took(&p->card, (size_t)n);
	return n;
}

/* From the begin of the file again. */
static void file_rewind(struct sound_host_pcm *p)
{
	p->end = 0;
	p->turn = 0;
	for (unsigned int i = 0; i < BLOCKS; i++)
		block_next(&p->blocks[i]);
}

/* ---- headers */

static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* What the chunk "fmt " of size bytes says.  Returns whether it can be played. */
static bool fmt_parse(struct sound_host_pcm *p, const uint8_t *fmt, uint32_t size)
{
	unsigned int tag, bits, hz;

	if (size < 16)
		return false;
	tag = get32(fmt) & 0xffff;
	if (tag == WAVE_EXTENSIBLE && size >= 26)
		tag = get32(fmt + 24) & 0xffff;
	bits = get32(fmt + 12) >> 16;
	hz = get32(fmt + 4);
	p->file.channels = (uint8_t)min_u64(get32(fmt) >> 16, 255);
	p->file.rate = 0xff;
	p->file.format = 0xff;
	for (unsigned int i = 0; i < ARRAY_SIZE(wav_formats); i++) {
		if (wav_formats[i].tag == tag && wav_formats[i].bits == bits)
			p->file.format = wav_formats[i].format;
	}
	for (unsigned int i = 0; i < SOUND_RATES; i++) {
		if (sound_rate_hz(i) == hz)
			p->file.rate = (uint8_t)i;
	}
	return p->file.format != 0xff && p->file.rate != 0xff && p->file.channels &&
	       p->file.channels <= SOUND_CHANNELS_MAX && (get32(fmt + 12) & 0xffff) == sound_frame_bytes(&p->file);
}

/* Reads the header of a file of so many bytes.  Returns what is wrong with it, or NULL. */
static const char *head_read(struct sound_host_pcm *p, uint64_t file_size)
{
	uint8_t head[12], chunk[8], fmt[40];
	bool known = false;
	uint64_t at = sizeof(head);

	if (pread(p->fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head, "RIFF", 4) != 0 ||
	    memcmp(head + 8, "WAVE", 4) != 0)
		return "no WAVE file";
	for (unsigned int i = 0; i < 64 && pread(p->fd, chunk, sizeof(chunk), (off_t)at) == sizeof(chunk); i++) {
		const uint64_t size = get32(chunk + 4);

		at += sizeof(chunk);
		if (memcmp(chunk, "fmt ", 4) == 0) {
			const size_t want = (size_t)min_u64(size, sizeof(fmt));

			memset(fmt, 0, sizeof(fmt));
			known = pread(p->fd, fmt, want, (off_t)at) == (ssize_t)want &&
				fmt_parse(p, fmt, (uint32_t)size);
			if (!known)
				return "a format, rate or number of channels that virtio does not have";
		} else if (memcmp(chunk, "data", 4) == 0 && known) {
			p->begin = at;
			p->size = min_u64(size, file_size - min_u64(file_size, at));
			p->size -= p->size % sound_frame_bytes(&p->file);
			return p->size ? NULL : "no frames";
		}
		at += size + (size & 1);
	}
	return "no frames";
}

/* ---- open and close */

/* What is left is written here: the process ends. */
static void wav_finish(struct sound_host_pcm *p)
{
	struct wav_header h;

	if (p->anew && ftruncate(p->fd, 0) < 0)
		log_error(p->card.args.log, "%s: %s", p->card.args.name, strerror(errno));
	if (p->anew)
		p->size = 0;
	for (unsigned int i = 0; !p->anew && !p->err && i < BLOCKS; i++) {
		/* In their order: the one that is being filled is the last. */
		struct block *b = &p->blocks[(p->turn + 1 + i) % BLOCKS];

		if (!b->len)
			continue;
		if (!b->busy)
			b->off = p->end;
		if (pwrite(p->fd, b->bytes, b->len, (off_t)(p->begin + b->off)) == (ssize_t)b->len)
			p->size = b->off + b->len > p->size ? b->off + b->len : p->size;
		else
			log_error(p->card.args.log, "%s: its end is missing", p->card.args.name);
	}
	if (!p->header)
		return;
	head_fill(p, p->size, &h);
	if (pwrite(p->fd, &h, sizeof(h), 0) != sizeof(h))
		log_error(p->card.args.log, "%s: its header is not right", p->card.args.name);
}

static void wav_close(struct sound_host_pcm *p)
{
	/* What is under way ends first.  What does not end is left alone. */
	if (!uring_free(p->u, 10000)) {
		log_error(p->card.args.log, "%s: the disk does not answer", p->card.args.name);
		card_close(&p->card);
		return;
	}
	if (p->begun && !p->card.args.capture)
		wav_finish(p);
	for (unsigned int i = 0; i < BLOCKS; i++)
		free(p->blocks[i].bytes);
	if (p->fd >= 0)
		close(p->fd);
	card_close(&p->card);
	free(p);
}

static void caps_any(const struct sound_host_pcm *p, struct sound_caps *caps)
{
	*caps = (struct sound_caps){.formats = p->header ? 0 : SOUND_FORMATS_ALL,
				    .rates = SOUND_RATES_ALL,
				    .channels_min = 1,
				    .channels_max = 8};
	for (unsigned int i = 0; p->header && i < ARRAY_SIZE(wav_formats); i++)
		caps->formats |= BIT(wav_formats[i].format);
	card_chmap(caps);
}

/* Opens the file, and reads its header.  Returns 0, or -errno after a line. */
static int file_open(struct sound_host_pcm *p, const struct sound_pcm_args *args, struct sound_caps *caps)
{
	const char *wrong = NULL;
	struct stat st;

	p->fd = args->capture ? open(args->name, O_RDONLY | O_CLOEXEC)
			      : open(args->name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (p->fd < 0 || fstat(p->fd, &st) < 0) {
		int err = -errno;

		log_error(args->log, "%s: %s", args->name, strerror(-err));
		return err;
	}
	p->header = has_header(args->name);
	caps_any(p, caps);
	if (!S_ISREG(st.st_mode)) {
		wrong = "no file";
	} else if (args->capture && p->header) {
		wrong = head_read(p, (uint64_t)st.st_size);
		*caps = (struct sound_caps){.formats = BIT(p->file.format % 64),
					    .rates = BIT(p->file.rate % 64),
					    .channels_min = p->file.channels,
					    .channels_max = p->file.channels};
		if (!wrong)
			card_chmap(caps);
	} else if (args->capture) {
		p->size = (uint64_t)st.st_size;
	}
	p->whole = p->size;
	if (wrong)
		log_error(args->log, "%s: %s", args->name, wrong);
	return wrong ? -EINVAL : 0;
}

static int wav_open(const struct sound_pcm_args *args, struct sound_host_pcm **out, struct sound_caps *caps)
{
	struct sound_host_pcm *p = calloc(1, sizeof(*p));
	int err = p ? card_open(&p->card, args) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	p->fd = -1;
	p->head_op.done = head_done;
	for (unsigned int i = 0; i < BLOCKS; i++) {
		p->blocks[i].p = p;
		p->blocks[i].op.done = block_done;
		p->blocks[i].bytes = calloc(1, BLOCK);
		err = p->blocks[i].bytes ? err : -ENOMEM;
	}
	if (!err)
		err = uring_new(args->loop, NULL, &p->u);
	if (!err)
		err = file_open(p, args, caps);
	if (err) {
		wav_close(p);
		return err;
	}
	*out = p;
	return 0;
}

static void wav_needs(const struct sound_pcm_args *args, struct sandbox *s)
{
	static const struct sandbox_call calls[] = {
		{.name = "pwrite64", .why = "the end of a file that was played into"},
		{.name = "ftruncate", .why = "a file that begins anew"},
		{0},
	};

	card_needs(args, s);
	uring_needs(s);
	if (!args->capture)
		sandbox_calls(s, calls);
}

static int wav_prepare(struct sound_host_pcm *p, const struct sound_params *params)
{
	if (p->err)
		return p->err;
	card_prepare(&p->card, params);
	if (!p->card.args.capture) {
		file_begin(p, params);
		return p->err;
	}
	if (!p->header)
		p->file = *params;
	p->size = p->whole - p->whole % sound_frame_bytes(params);
	file_rewind(p);
	return 0;
}

static void wav_release(struct sound_host_pcm *p)
{
	card_release(&p->card);
	wav_flush(p);
}

static int wav_start(struct sound_host_pcm *p)
{
	card_start(&p->card);
	return 0;
}

static uint64_t wav_stop(struct sound_host_pcm *p)
{
	return card_stop(&p->card);
}

static int wav_place(struct sound_host_pcm *p, uint64_t *place, uint32_t *latency)
{
	return p->err ? p->err : card_place(&p->card, place, latency);
}

static void wav_wake(struct sound_host_pcm *p, uint64_t place)
{
	const struct block *b = &p->blocks[p->turn];

	card_wake(&p->card, place);
	/* While the disk is behind, its end wakes. */
	if (p->card.args.capture ? !b->ready : b->busy || p->anew)
		alarm_off(&p->card.alarm);
}

static int wav_recover(struct sound_host_pcm *p)
{
	card_recover(&p->card);
	return p->err;
}

const struct sound_pcm_ops sound_wav_ops = {
	.open = wav_open,
	.close = wav_close,
	.needs = wav_needs,
	.prepare = wav_prepare,
	.release = wav_release,
	.start = wav_start,
	.stop = wav_stop,
	.write = wav_write,
	.read = wav_read,
	.place = wav_place,
	.wake = wav_wake,
	.recover = wav_recover,
};
