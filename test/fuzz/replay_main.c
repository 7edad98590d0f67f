/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * replay_main.c - hands files to a fuzz target, once each: what libFuzzer does with its corpus, with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all of a file.  Returns its bytes, to be freed, and *size; or NULL. */
static uint8_t *file_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t room = 0;

	*size = 0;
	if (!f)
		return NULL;
	do {
		if (*size == room) {
			uint8_t *more = realloc(data, room = room * 2 + 4096);

			if (!more)
				break;
			data = more;
		}
		*size += fread(data + *size, 1, room - *size, f);
	} while (!feof(f) && !ferror(f));
	if (!feof(f)) {
		free(data);
		data = NULL;
	}
	fclose(f);
	return data;
}

/* Hands the target a copy as long as the input, so that valgrind sees a read past its end. */
static int input_replay(const char *path)
{
	size_t size;
	uint8_t *data = file_read(path, &size), *exact;

	if (!data) {
		perror(path);
		return -1;
	}
	exact = malloc(size ? size : 1);
	if (exact) {
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
	}
	free(exact);
	free(data);
	return exact ? 0 : -1;
}

int main(int argc, char **argv)
{
	int status = argc > 1 ? 0 : 2;

	for (int i = 1; i < argc; i++) {
		/* Standing there when the target crashes. */
		fprintf(stderr, "%s\n", argv[i]);
		if (input_replay(argv[i]))
			status = 1;
	}
	return status;
}
