# The source is what make dist has written, put into files/ beside this recipe; or a tree that EXTERNALSRC names.
SUMMARY = "Virtio devices for virtual machines, over vhost-user"
DESCRIPTION = "One executable that serves virtio devices to virtual machines: entropy, GPIO, I2C, SPI, CAN, SCMI, \
               sockets, disks, file systems, sound, consoles, input, clocks and cameras."
# nooelint: oelint.vars.homepageping
HOMEPAGE = "https://example.org/vdevd"
BUGTRACKER = "https://example.org/vdevd/issues"
SECTION = "console/utils"
CVE_PRODUCT = "vdevd"
# Releases before wrynose write | for OR.
LICENSE = "Apache-2.0 OR BSD-3-Clause"
LIC_FILES_CHKSUM = "file://COPYING;md5=63b0c759c7907a8435ccf87e3e7393c5"

DEPENDS = "libev"

SRC_URI = "file://vdevd-${PV}.tar.gz"

B = "${WORKDIR}/build"

inherit bash-completion manpages pkgconfig systemd update-alternatives

# Each device of the list is built in, unless it is named in VDEVD_MODULES, too: then it is a package vdevd-DEVICE.
VDEVD_DEVICES ?= "blk can console fs gpio i2c input media rng rtc scmi scsi sound spi vsock"
# nooelint: oelint.vars.mispell.unknown
VDEVD_MODULES ?= ""

PACKAGECONFIG ??= "${VDEVD_DEVICES} help probe seccomp uring xen ${@bb.utils.filter('DISTRO_FEATURES', 'systemd', d)}"
PACKAGECONFIG[blk] = "--with-blk,--without-blk"
PACKAGECONFIG[can] = "--with-can,--without-can"
PACKAGECONFIG[console] = "--with-console,--without-console"
PACKAGECONFIG[fs] = "--with-fs,--without-fs"
PACKAGECONFIG[gpio] = "--with-gpio,--without-gpio,libgpiod"
PACKAGECONFIG[help] = ",--without-help"
PACKAGECONFIG[i2c] = "--with-i2c,--without-i2c,i2c-tools"
PACKAGECONFIG[input] = "--with-input,--without-input"
PACKAGECONFIG[manpages] = ""
PACKAGECONFIG[media] = "--with-media,--without-media"
PACKAGECONFIG[modules] = "--enable-modules"
PACKAGECONFIG[probe] = ",--without-probe"
PACKAGECONFIG[rng] = "--with-rng,--without-rng"
PACKAGECONFIG[rtc] = "--with-rtc,--without-rtc"
PACKAGECONFIG[scmi] = "--with-scmi,--without-scmi"
PACKAGECONFIG[scsi] = "--with-scsi,--without-scsi"
PACKAGECONFIG[seccomp] = "--with-seccomp,--without-seccomp,libseccomp"
PACKAGECONFIG[sound] = "--with-sound,--without-sound,alsa-lib"
PACKAGECONFIG[spi] = "--with-spi,--without-spi"
PACKAGECONFIG[systemd] = "--unitdir=${systemd_system_unitdir},--without-systemd"
PACKAGECONFIG[uring] = ",--without-liburing,liburing"
PACKAGECONFIG[vsock] = "--with-vsock,--without-vsock"
PACKAGECONFIG[xen] = ",--without-xen"

# Not autoconf's, but called like it.  pkg-config looks into the sysroot, so it has no other name for a cross build.
do_configure() {
    ${S}/configure --build=${BUILD_SYS} --host=${HOST_SYS} --prefix=${prefix} --bindir=${bindir} --libdir=${libdir} \
        --includedir=${includedir} --datadir=${datadir} --mandir=${mandir} --sysconfdir=${sysconfdir} \
        ${@'--modules=' + ','.join(d.getVar('VDEVD_MODULES').split()) if d.getVar('VDEVD_MODULES').split() else ''} \
        ${PACKAGECONFIG_CONFARGS} PKG_CONFIG=pkg-config
}

do_compile() {
    oe_runmake
}

do_install() {
    oe_runmake install-dev DESTDIR=${D}
}

# Instances are the operator's to name, and vdevd-run.service wants a file first.
SYSTEMD_SERVICE:${PN} = "vdevd@.service vdevd@.socket vdevd-run.service"
SYSTEMD_AUTO_ENABLE = "disable"

# The names of the daemons that it takes the place of, with their options: a package of links, for who wants them.
# nooelint: oelint.vars.mispell.unknown
VDEVD_REPLACES = "can console gpio i2c input media rng rtc scmi scsi sound spi vsock"
ALTERNATIVE:${PN}-links = "${@' '.join('vhost-device-' + n for n in d.getVar('VDEVD_REPLACES').split() \
                          if bb.utils.contains('PACKAGECONFIG', n, True, False, d))}"
ALTERNATIVE_TARGET = "${bindir}/vdevd"
ALTERNATIVE_PRIORITY = "10"

PACKAGES =+ "${PN}-links ${PN}-fish-completion ${PN}-zsh-completion"
PACKAGES_DYNAMIC = "^${PN}-.*"

FILES:${PN} += "${datadir}/qemu"
FILES:${PN}-fish-completion += "${datadir}/fish"
FILES:${PN}-zsh-completion += "${datadir}/zsh"
ALLOW_EMPTY:${PN}-links = "1"
RDEPENDS:${PN}-links = "${PN}"

python populate_packages:prepend() {
    do_split_packages(d, d.expand('${libdir}/vdevd'), r'^(.*)\.so$', d.expand('${PN}-%s'), 'virtio device %s for vdevd',
                      prepend=True, extra_depends=d.getVar('PN'))
}

BBCLASSEXTEND = "native nativesdk"
