/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_none.c - no chips of the machine's, in a build without libgpiod; see gpio_host.h.
 */
#include "devices/gpio/gpio_host.h"

const struct gpio_host_ops gpio_host_gpiod = {0};
