/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_strict.h - guest memory that can be reached between pin and unpin alone: who keeps a pointer longer, or writes
 * what was pinned to be read, dies of SIGSEGV.  For tests of design rule 7.
 */
#ifndef VDEVD_TEST_LIB_GMEM_STRICT_H
#define VDEVD_TEST_LIB_GMEM_STRICT_H

#include "mem/gmem.h"

/*
 * Each pin is a mapping of its own, of the pages it touches; an address is not used again before
 * GMEM_STRICT_QUARANTINE others were unpinned.
 */
extern const struct gmem_backend gmem_strict;

#define GMEM_STRICT_QUARANTINE 256

/* Pins of this process that were not given back. */
unsigned int gmem_strict_pins(void);

#endif
