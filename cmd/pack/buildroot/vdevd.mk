################################################################################
#
# vdevd
#
################################################################################

VDEVD_VERSION = 0.1.0
VDEVD_SITE = https://example.org/vdevd
VDEVD_LICENSE = Apache-2.0 or BSD-3-Clause
VDEVD_LICENSE_FILES = COPYING
VDEVD_DEPENDENCIES = host-pkgconf libev

VDEVD_CONF_OPTS = \
	--host=$(GNU_TARGET_NAME) \
	--build=$(GNU_HOST_NAME) \
	--prefix=/usr \
	--sysconfdir=/etc \
	--without-completion

ifneq ($(call qstrip,$(BR2_PACKAGE_VDEVD_DEVICES)),)
VDEVD_CONF_OPTS += --devices=$(call qstrip,$(BR2_PACKAGE_VDEVD_DEVICES))
endif

ifeq ($(BR2_STATIC_LIBS),y)
VDEVD_CONF_OPTS += --static
endif

ifeq ($(BR2_PACKAGE_LIBGPIOD2),y)
VDEVD_DEPENDENCIES += libgpiod2
else ifeq ($(BR2_PACKAGE_LIBGPIOD),y)
VDEVD_DEPENDENCIES += libgpiod
endif

ifeq ($(BR2_PACKAGE_I2C_TOOLS),y)
VDEVD_DEPENDENCIES += i2c-tools
endif

ifeq ($(BR2_PACKAGE_ALSA_LIB),y)
VDEVD_DEPENDENCIES += alsa-lib
endif

ifeq ($(BR2_PACKAGE_LIBSECCOMP),y)
VDEVD_DEPENDENCIES += libseccomp
VDEVD_CONF_OPTS += --with-seccomp
else
VDEVD_CONF_OPTS += --without-seccomp
endif

ifeq ($(BR2_PACKAGE_LIBURING),y)
VDEVD_DEPENDENCIES += liburing
else
VDEVD_CONF_OPTS += --without-liburing
endif

ifeq ($(BR2_INIT_SYSTEMD),)
VDEVD_CONF_OPTS += --without-systemd
endif

define VDEVD_CONFIGURE_CMDS
	cd $(@D) && $(TARGET_CONFIGURE_OPTS) ./configure $(VDEVD_CONF_OPTS) \
		PKG_CONFIG="$(PKG_CONFIG_HOST_BINARY)"
endef

define VDEVD_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D)
endef

define VDEVD_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) DESTDIR=$(TARGET_DIR) install
endef

$(eval $(generic-package))
