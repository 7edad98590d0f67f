// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
/*
 * gpio_level.c - a Linux driver that takes a level interrupt, for guests: its source is another line, which it drives itself.
 *
 * The lines `out` and `in` of the chip with the label `chip` are connected.  It makes the level active and its
 * handler makes it inactive at the interrupt number `limit`, so that there must be exactly as many; `count` says.
 */
#include <linux/gpio/consumer.h>
#include <linux/gpio/machine.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static char *chip = "virtio0";
static unsigned int out, in = 1, limit = 5, count;
static bool low;

module_param(chip, charp, 0444);
module_param(out, uint, 0444);
module_param(in, uint, 0444);
module_param(limit, uint, 0444);
module_param(low, bool, 0444);
module_param(count, uint, 0444);

static struct gpiod_lookup_table lookup = {
	.dev_id = "gpio_level",
	.table = {{}, {}, {}},
};
static struct platform_device *device;
static struct gpio_desc *source, *line;
static int irq;

static irqreturn_t handle(int number, void *arg)
{
	(void)number;
	(void)arg;
	if (++count >= limit)
		gpiod_set_value_cansleep(source, low);
	return IRQ_HANDLED;
}

static void end(void)
{
	if (!IS_ERR_OR_NULL(line))
		gpiod_put(line);
	if (!IS_ERR_OR_NULL(source))
		gpiod_put(source);
	gpiod_remove_lookup_table(&lookup);
	platform_device_unregister(device);
}

static int __init gpio_level_init(void)
{
	int err;

	device = platform_device_register_simple("gpio_level", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	lookup.table[0] = GPIO_LOOKUP(chip, out, "source", GPIO_ACTIVE_HIGH);
	lookup.table[1] = GPIO_LOOKUP(chip, in, "line", GPIO_ACTIVE_HIGH);
	gpiod_add_lookup_table(&lookup);
	source = gpiod_get(&device->dev, "source", low ? GPIOD_OUT_HIGH : GPIOD_OUT_LOW);
	line = gpiod_get(&device->dev, "line", GPIOD_IN);
	err = IS_ERR(source) ? PTR_ERR(source) : PTR_ERR_OR_ZERO(line);
	if (!err)
		err = irq = gpiod_to_irq(line);
	if (err > 0)
		err = request_threaded_irq(irq, NULL, handle,
					   IRQF_ONESHOT | (low ? IRQF_TRIGGER_LOW : IRQF_TRIGGER_HIGH), "gpio_level",
					   &device);
	if (err < 0) {
		end();
		return err;
	}
	gpiod_set_value_cansleep(source, !low);
	return 0;
}

static void __exit gpio_level_exit(void)
{
	free_irq(irq, &device);
	end();
}

module_init(gpio_level_init);
module_exit(gpio_level_exit);
MODULE_DESCRIPTION("takes a level interrupt");
MODULE_LICENSE("Dual BSD/GPL");
