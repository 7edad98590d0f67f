# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Makefile - GNU make; `make help` lists the targets.  BUILD names the directory that configure
# has prepared (--builddir), so several kinds of build live side by side.

srcdir ?= .
BUILD ?= build
ifeq ($(wildcard $(BUILD)/config.mk),)
ifneq ($(filter-out help clean distclean dist,$(or $(MAKECMDGOALS),all)),)
$(error There is no $(BUILD)/config.mk: run $(srcdir)/configure first)
endif
endif
-include $(BUILD)/config.mk $(BUILD)/devices.mk

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all FORCE

# V=1 shows the commands.
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(Q),@printf '  %-7s %s\n' $(1) $(2))

# ---- what is built from what

comma := ,
in_tree = $(patsubst $(srcdir)/%,%,$(wildcard $(addprefix $(srcdir)/,$(1))))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

# Without Xen its files are not there, nor the tests of them.
absent_xen := $(if $(filter 0,$(XEN)),mem/gmem_xen%.c transport/frontend/frontend_mem_xen.c test/unit/test_gmem_xen.c \
	test/protocol/test_xen_mmap.c)
# Who needs none of it is not linked with liburing: nothing of it is used then.
absent_uring := $(if $(filter 0,$(URING)),core/uring_kernel.c)
LIB_SRCS := $(filter-out $(absent_xen) $(absent_uring),$(call in_tree,core/*.c mem/*.c transport/*.c transport/*/*.c devices/lib/*.c))
absent_probe := $(if $(filter 0,$(PROBE)),cmd/probe/%.c test/unit/test_probe.c)
CMD_SRCS := $(filter-out cmd/main.c $(absent_probe),$(call in_tree,cmd/*.c cmd/*/*.c))
BUILTIN_SRCS := $(sort $(foreach d,$(DEVICES),$(DEV_$(d)_SRCS)))
DEVICE_SRCS := $(sort $(foreach d,$(DEVICES) $(MODULES),$(DEV_$(d)_SRCS)))
BUILTIN_LIBS := $(foreach d,$(DEVICES),$(DEV_$(d)_LIBS))
DEVICE_LIBS := $(foreach d,$(DEVICES) $(MODULES),$(DEV_$(d)_LIBS))

LIB := $(BUILD)/libvdevd.a
CMD_LIB := $(BUILD)/libcmd.a
VDEVD := $(BUILD)/vdevd
MODULE_FILES := $(MODULES:%=$(BUILD)/modules/%.so)

CPPFLAGS_ALL = -I$(BUILD) -I$(srcdir) $(EV_CFLAGS) $(SECCOMP_CFLAGS)
COMPILE = $(CC) $(CPPFLAGS_ALL) $(BASE_CFLAGS) $(DEV_CFLAGS) $(CFLAGS) -MMD -MP
LINK = $(CC) $(CFLAGS) $(PIE_CFLAGS) $(EXE_LDFLAGS) $(BASE_LDFLAGS) $(LDFLAGS)

# A module may use any function of the library, so all of it is in an executable that loads modules.
ifneq ($(LOADS),)
LIB_LINK := -rdynamic -Wl,--whole-archive $(LIB) -Wl,--no-whole-archive
else
LIB_LINK := $(LIB)
endif

# The link beside the sources is that of the ordinary build.
TOP := $(if $(filter build,$(BUILD)),vdevd)

all: $(VDEVD) $(MODULE_FILES) $(TOP)

ifneq ($(srcdir),)
# The headers that a module shares with the executable: their checksum is in config.h.
contract_headers = $(wildcard $(addprefix $(srcdir)/,$(1)))

# configure leaves config.mk as it is where nothing changes, and then nothing is compiled again.
$(BUILD)/config.status: $(srcdir)/configure $(srcdir)/devices/list $(EXTRA_DIR:%=%/list) \
	$(call contract_headers,core/*.h devices/lib/*.h transport/chain.h)
	$(call say,CONFIG,$(BUILD))
	$(Q)sh $@ >/dev/null

$(BUILD)/config.mk $(BUILD)/devices.mk: $(BUILD)/config.status
	@:
endif

$(BUILD)/%.o: $(srcdir)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIE_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: $(BUILD)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	$(Q)$(COMPILE) $(PIE_CFLAGS) -c -o $@ $<

$(BUILD)/extra/%.o: $(EXTRA_DIR)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIE_CFLAGS) -c -o $@ $<

$(BUILD)/pic/%.o: $(srcdir)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fPIC -c -o $@ $<

$(BUILD)/pic/%.o: $(BUILD)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fPIC -c -o $@ $<

$(BUILD)/pic/extra/%.o: $(EXTRA_DIR)/%.c $(BUILD)/config.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fPIC -c -o $@ $<

$(BUILD)/core/uring_kernel.o $(BUILD)/pic/core/uring_kernel.o: DEV_CFLAGS = $(URING_CFLAGS)

$(LIB): $(call objects,$(LIB_SRCS))
$(CMD_LIB): $(call objects,$(CMD_SRCS))
$(LIB) $(CMD_LIB):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(filter %.o,$^)

$(VDEVD): $(BUILD)/devices.mk $(BUILD)/cmd/main.o $(BUILD)/devtab.o $(call objects,$(BUILTIN_SRCS)) $(CMD_LIB) $(LIB)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(CMD_LIB) $(LIB_LINK) $(BUILTIN_LIBS) $(EV_LIBS) $(URING_LIBS) $(SECCOMP_LIBS) $(DL_LIBS)

define device_rules
$(foreach s,$(DEV_$(1)_SRCS:.c=.o),$(BUILD)/$(s) $(BUILD)/pic/$(s)): DEV_CFLAGS += $(DEV_$(1)_CFLAGS)
$(BUILD)/modules/$(1).so: $(DEV_$(1)_SRCS:%.c=$(BUILD)/pic/%.o) $(BUILD)/pic/module_$(1).o
$(BUILD)/modules/$(1).so: DEV_LIBS := $(DEV_$(1)_LIBS)
endef
$(foreach d,$(DEVICES) $(MODULES),$(eval $(call device_rules,$(d))))

$(MODULE_FILES):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fPIC -shared $(BASE_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(DEV_LIBS)

$(TOP): $(VDEVD)
	$(Q)ln -sf $< $@

# ---- tests

# Test programs of devices that are not built are left out.
absent_tests := $(foreach d,$(ABSENT),test/device/$(d)/%.c)
# test_hw_*.c test the adapter to the device's library, which a build with the simulator alone does not have.
absent_tests += $(foreach d,$(SIMULATED),test/device/$(d)/test_hw_%.c)
TEST_SRCS := $(filter-out $(absent_tests) $(absent_xen) $(absent_probe) $(call in_tree,test/device/*/fuzz_*.c),\
	$(call in_tree,$(addprefix test/,device/*/*.c protocol/*.c unit/*.c lib/*.c)))
# What tests of all devices read: load_NAME.c, a driver that keeps it busy, and state_NAME.c, rows of test_state.c.
DEVICE_DATA := $(filter-out $(absent_tests),$(call in_tree,test/device/*/load_*.c test/device/*/state_*.c))
data_names = $(filter $(1)_%,$(basename $(notdir $(DEVICE_DATA))))
SUITES := $(patsubst test_%.c,%,$(filter test_%.c,$(notdir $(TEST_SRCS))))
RUN_TESTS := $(BUILD)/test/run-tests

# A target is a file test/fuzz/fuzz_TARGET.c or test/device/NAME/fuzz_TARGET.c, or a device, with options in
# test/device/NAME/fuzz.args.
FUZZ_SRCS := $(filter-out $(absent_tests) test/fuzz/fuzz_device.c,$(call in_tree,test/fuzz/fuzz_*.c test/device/*/fuzz_*.c))
FUZZ_DEVICES := $(filter-out $(ABSENT),$(patsubst test/device/%/fuzz.args,%,$(call in_tree,test/device/*/fuzz.args)))
FUZZ_TARGETS := $(patsubst fuzz_%.c,%,$(notdir $(FUZZ_SRCS))) $(FUZZ_DEVICES)
FUZZ_LIB := $(call objects,$(filter-out test/fuzz/fuzz_% test/fuzz/replay_main.c,$(call in_tree,test/fuzz/*.c test/lib/*.c)) \
	$(DEVICE_DATA)) $(BUILD)/test/device_data.o
REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/replay_%)
FUZZERS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
ALL_DEVICES := $(BUILD)/devtab_all.o $(call objects,$(DEVICE_SRCS))

# make declares the suites; their files do not.
$(BUILD)/test/%.o: DEV_CFLAGS = $(CHECK_CFLAGS) -Wno-missing-prototypes

$(BUILD)/test/suites.c: FORCE
	@mkdir -p $(@D)
	@{ printf '/* Written by make from the names of the test files. */\n#include "test/unit/suites.h"\n\n'; \
		printf 'Suite *suite_%s(void);\n' $(SUITES); \
		printf '\nconst struct test_suite test_suites[] = {\n'; \
		printf '\t{ "%s"$(comma) suite_%s }$(comma)\n' $(foreach s,$(SUITES),$(s) $(s)); \
		printf '\t{ NULL, NULL }\n};\n\nconst char *const test_simulated_devices[] = {\n'; \
		printf '\t%s,\n' $(SIMULATED:%='"%"') NULL; printf '};\n'; } >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/test/device_data.c: FORCE
	@mkdir -p $(@D)
	@{ printf '/* Written by make from the names of the test files. */\n'; \
		printf '#include "test/lib/guest_load.h"\n#include "test/lib/state_rows.h"\n\n'; \
		printf '%s\n' $(patsubst %,'extern const struct load_kind %;',$(call data_names,load)) \
			$(patsubst state_%,'extern const struct state_rows state_rows_%;',$(call data_names,state)); \
		printf '\nconst struct load_kind *const load_kinds[] = {\n'; \
		printf '\t%s,\n' $(patsubst %,'&%',$(call data_names,load)) NULL; \
		printf '};\n\nconst struct state_rows *const state_rows[] = {\n'; \
		printf '\t%s,\n' $(patsubst state_%,'&state_rows_%',$(call data_names,state)) NULL; \
		printf '};\n'; } >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/test/fuzz/args_%.c: $(srcdir)/test/device/%/fuzz.args
	@mkdir -p $(@D)
	@{ printf '/* Written by make from fuzz.args. */\n#include "test/fuzz/device_harness.h"\n\n'; \
		printf 'const char *const fuzz_device_name = "$*";\nconst char *const fuzz_device_args[] = {\n'; \
		sed '/^#/d; /^$$/d; s/.*/\t"&",/' $<; printf '\tNULL,\n};\n'; } >$@

$(RUN_TESTS): $(call objects,$(TEST_SRCS)) $(BUILD)/test/suites.o $(BUILD)/test/device_data.o $(ALL_DEVICES) $(CMD_LIB) $(LIB)
	$(if $(strip $(CHECK_LIBS)),,$(error configure found no check library: install it and run configure again))
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(CMD_LIB) $(LIB) $(DEVICE_LIBS) $(EV_LIBS) $(URING_LIBS) $(SECCOMP_LIBS) $(DL_LIBS) $(CHECK_LIBS)

# fuzz_rules TARGET,OBJECTS: the target as a fuzzer, and as a program that replays inputs.
define fuzz_rules
$(BUILD)/fuzz/replay_$(1): $(2) $(BUILD)/test/fuzz/replay_main.o
$(BUILD)/fuzz/$(1): $(2)
$(BUILD)/fuzz/replay_$(1) $(BUILD)/fuzz/$(1): $$(FUZZ_LIB) $$(ALL_DEVICES) $$(LIB)
endef
$(foreach s,$(FUZZ_SRCS),$(eval $(call fuzz_rules,$(patsubst fuzz_%.c,%,$(notdir $(s))),$(call objects,$(s)))))
$(foreach d,$(FUZZ_DEVICES),$(eval $(call fuzz_rules,$(d),$(BUILD)/test/fuzz/fuzz_device.o $(BUILD)/test/fuzz/args_$(d).o)))

$(REPLAYS) $(FUZZERS):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(if $(filter $@,$(FUZZERS)),-fsanitize=fuzzer) -o $@ $(filter %.o,$^) $(LIB) $(DEVICE_LIBS) $(EV_LIBS) $(URING_LIBS) \
		$(SECCOMP_LIBS) $(DL_LIBS) $(CHECK_LIBS)

# What the tests are told; the scripts of test/ read it.  Those that compile do so in the source directory.
export VDEVD_SRC = $(abspath $(srcdir))
export VDEVD_BUILD = $(abspath $(BUILD))
test_env = UBSAN_OPTIONS=print_stacktrace=1 VDEVD=$(abspath $(VDEVD)) VDEVD_CC='$(CC)' FUZZ_TARGETS='$(FUZZ_TARGETS)' \
	VDEVD_CFLAGS='-I$(VDEVD_BUILD) -I. $(EV_CFLAGS) $(CHECK_CFLAGS) $(BASE_CFLAGS)' \
	VDEVD_DEVICES='$(DEVICES) $(MODULES)' VDEVD_MAN_DEVICES='$(MAN_DEVICES)' \
	VDEVD_DEVICE_SOURCES='$(filter devices/%,$(DEVICE_SRCS))'
run_checks = $(test_env) $(srcdir)/test/tools/run-checks

# A vendor's pages are the vendor's; one of a device without its library would lack what that needs.
MAN_DEVICES := $(if $(filter 1,$(MAN)),$(foreach d,$(filter-out $(SIMULATED),$(DEVICES)),$(if $(filter devices/%,$(DEV_$(d)_SRCS)),$(d))))
scripts = $(wildcard $(addprefix $(srcdir)/test/,$(1)))
CLI_SCRIPTS := $(call scripts,cli/*.sh)
BUILD_SCRIPTS := $(call scripts,build/*.sh)
TREE_SCRIPTS := $(filter-out $(if $(FUZZ_TARGETS),,%/check-corpus),$(call scripts,tools/check-*))

.PHONY: check check-unit check-build check-guest check-xen check-valgrind check-sanitize coverage demo bench bench-xen fuzz
.PHONY: check-all lint man gdb

# T=NAME: this suite, or the script of that name, alone; C=TEXT: of a suite over carriers the cases whose names have the text, of
# another the test case (of the check library) that is called so.
one_script = $(firstword $(wildcard $(srcdir)/test/cli/$(T).sh $(srcdir)/test/build/$(T).sh $(srcdir)/test/tools/$(T)))
one_case = $(if $(C),$(if $(wildcard $(srcdir)/test/device/*/test_$(T).c),VDEVD_TEST_CASE,CK_RUN_CASE)='$(C)')

ifneq ($(T),)
check: all $(RUN_TESTS) $(if $(filter %/check-corpus,$(one_script)),$(REPLAYS))
	$(if $(filter $(T),$(SUITES))$(one_script),,$(error T=$(T): no suite (`$(RUN_TESTS) --list` shows them), nor a script of test/))
	$(Q)$(test_env) $(if $(filter $(T),$(SUITES)),$(one_case) $(RUN_TESTS) $(T),$(one_script))
else
check: all $(RUN_TESTS) $(REPLAYS)
	$(Q)$(run_checks) $(RUN_TESTS) $(CLI_SCRIPTS) $(TREE_SCRIPTS)
endif

# The suite in this process, so that a breakpoint is met.
gdb: all $(RUN_TESTS)
	$(if $(filter $(T),$(SUITES)),,$(error make gdb T=SUITE [C=CASE]: `$(RUN_TESTS) --list` shows the suites))
	$(Q)$(test_env) CK_FORK=no $(one_case) gdb -q -ex 'set breakpoint pending on' --args $(RUN_TESTS) $(T)

# For editors: how each source is compiled.
compiled = $(filter-out %/cmd/main.c,$(LIB_SRCS) $(CMD_SRCS) $(filter devices/%,$(DEVICE_SRCS)) $(TEST_SRCS) $(FUZZ_SRCS))
compile_entry = {"directory": "$(CURDIR)", "file": "$(srcdir)/$(1)", \
	"command": "$(subst ",\",$(COMPILE) $(if $(filter test/%,$(1)),$(CHECK_CFLAGS)) $(PIE_CFLAGS)) -c $(srcdir)/$(1)"}
compile_commands.json: FORCE
	$(file >$@,[)$(foreach s,$(compiled),$(file >>$@,$(call compile_entry,$(s))$(comma)))
	$(file >>$@,$(call compile_entry,cmd/main.c))$(file >>$@,])
	$(call say,WRITE,$@)

check-unit: all $(RUN_TESTS)
	$(Q)$(run_checks) $(RUN_TESTS)

check-build: all
	$(Q)$(run_checks) $(BUILD_SCRIPTS)

# In one: check and check-build beside each other would have the same logs.
check-all: all $(RUN_TESTS) $(REPLAYS)
	$(Q)VDEVD_TEST_DEPTH=$${VDEVD_TEST_DEPTH:-more} $(run_checks) $(RUN_TESTS) $(BUILD_SCRIPTS) $(CLI_SCRIPTS) $(TREE_SCRIPTS)

check-guest: all
	$(Q)$(test_env) $(srcdir)/test/guest/check-guest $(T)

# Builds for itself what runs in dom0.
check-xen:
	$(Q)$(srcdir)/test/xen/check-xen

bench-xen:
	$(Q)$(srcdir)/test/xen/check-xen --bench

# The SIGBUS handler repairs an access, which then runs again: its registers have to be right.  The executable that
# the tests start is not followed: check-sanitize looks at it, in a twentieth of the time.
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	--vex-iropt-register-updates=allregs-at-mem-access

check-valgrind: all $(RUN_TESTS)
	$(Q)CK_TIMEOUT_MULTIPLIER=30 RUN_CHECKS_TIMEOUT=1200 \
		RUN_TESTS_WRAPPER='$(VALGRIND)' $(run_checks) $(RUN_TESTS)

# other_build NAME,OPTIONS,TARGET: a build of another kind in a directory of its own.
other_build = $(srcdir)/configure --builddir=build-$(1) $(2) >/dev/null && \
	$(MAKE) --no-print-directory BUILD=build-$(1) $(3)

# A device as a module, so that the code that loads modules is there, too.
with_module = --extra-devices=$(srcdir)/test/build/vendor --modules=null --prefix=$(CURDIR)/build-$(1)/root

check-sanitize:
	+$(Q)$(call other_build,sanitize,CC='$(CC)' CFLAGS='-O1 -g' --enable-sanitize $(call with_module,sanitize),check-unit)

coverage:
	+$(Q)$(call other_build,coverage,CC='$(CC)' CFLAGS='-O0 -g' --enable-coverage $(call with_module,coverage),coverage-report)

# Adapters to hardware have their tests in guests.
covered := core/ mem/ transport/ devices/.*/(?!can_link|can_socket|gpio_chardev|gpio_gpiod|i2c_dev|input_evdev|scmi_gpio|scmi_iio|sound_alsa|sound_mixer|spi_dev)

.PHONY: coverage-report
coverage-report: install $(RUN_TESTS)
	$(Q)find $(BUILD) -name '*.gcda' -exec rm -f {} +
	$(Q)$(VDEVD) $(MODULES) --print-capabilities >/dev/null
	$(Q)$(run_checks) $(RUN_TESTS) $(CLI_SCRIPTS)
	$(Q)gcovr --root $(srcdir) --object-directory $(BUILD) --fail-under-line 90 \
		$(patsubst %,--filter '$(abspath $(srcdir))/%',$(covered)) $(BUILD)

demo: all
	$(Q)$(test_env) $(srcdir)/test/demo.sh

# The other side of a bench.
DISK_LOAD := $(BUILD)/test/bench/disk_load

$(DISK_LOAD): $(BUILD)/test/bench/disk_load.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIB) $(EV_LIBS) $(URING_LIBS) $(SECCOMP_LIBS) $(DL_LIBS)

bench: all $(DISK_LOAD)
	$(Q)$(test_env) $(srcdir)/test/bench/run
	$(Q)$(test_env) $(srcdir)/test/bench/vsock
	$(Q)$(test_env) $(srcdir)/test/bench/disks

FUZZ_TIME ?= 30
ifeq ($(FUZZ),yes)
fuzz: $(FUZZERS)
	$(Q)FUZZ_TIME=$(FUZZ_TIME) RUN_CHECKS_TIMEOUT=$$(($(FUZZ_TIME) + 60)) \
		$(run_checks) $(FUZZ_TARGETS:%=$(srcdir)/test/fuzz/run:%)
else
fuzz:
	+$(Q)$(call other_build,fuzz,CC=clang CFLAGS='-O1 -g' --enable-fuzz,FUZZ_TIME=$(FUZZ_TIME) fuzz)
endif

# The pages of the devices come from their option tables and are committed.
man: all
	$(Q)$(test_env) $(srcdir)/test/tools/man-pages $(srcdir)/man

lint: all $(REPLAYS)
	$(Q)RUN_CHECKS_TIMEOUT=1400 $(run_checks) $(call scripts,tools/lint-*) $(TREE_SCRIPTS)

# ---- install

.PHONY: install uninstall dist clean distclean help
PERSONALITIES := $(DEVICES) $(MODULES)
bin = $(DESTDIR)$(BINDIR)
man1 = $(DESTDIR)$(MANDIR)/man1
man7 = $(DESTDIR)$(MANDIR)/man7
qemu = $(DESTDIR)$(DATADIR)/qemu/vhost-user
modules = $(DESTDIR)$(MODULEDIR)
pack = $(srcdir)/cmd/pack

# A unit or a drop-in in its place, with the directories it names; UNITDIR is empty without systemd.
units := vdevd@.service vdevd@.socket vdevd-run.service
unitdir = $(DESTDIR)$(UNITDIR)
drop_ins = $(DESTDIR)$(DATADIR)/vdevd/systemd
DROP_INS = $(if $(UNITDIR),$(foreach d,$(PERSONALITIES),$(wildcard $(pack)/systemd/devices/$(d).conf)))
define install_unit
	$(Q)sed 's,@BINDIR@,$(BINDIR),g; s,@SYSCONFDIR@,$(SYSCONFDIR),g; s,@DATADIR@,$(DATADIR),g' '$(pack)/systemd/$(1)' >'$(unitdir)/$(1)'
	$(Q)chmod 644 '$(unitdir)/$(1)'

endef

# What completes words asks the installed program; each name it is called by has its own file, for bash and fish.
share = $(DESTDIR)$(DATADIR)
bash_completions = $(share)/bash-completion/completions
zsh_completions = $(share)/zsh/site-functions
fish_completions = $(share)/fish/vendor_completions.d
define install_completion
	$(Q)install -d $(bash_completions) $(zsh_completions) $(fish_completions)
	$(Q)install -m 644 $(pack)/completion/vdevd.bash $(bash_completions)/vdevd
	$(Q)install -m 644 $(pack)/completion/_vdevd $(zsh_completions)/
	$(Q)install -m 644 $(pack)/completion/vdevd.fish $(fish_completions)/
	$(Q)for d in $(PERSONALITIES); do ln -sf vdevd $(bash_completions)/vdevd-$$d && \
		ln -sf vdevd.fish $(fish_completions)/vdevd-$$d.fish || exit 1; done
endef

# The page of a device, and in a shell its one-line description, which is the page's.
page = $(firstword $(wildcard $(addsuffix /vdevd-$(1).1,$(srcdir)/man $(EXTRA_DIR))))
describe = $(if $(call page,$(1)),"$$(sed -n 's/^\.Nd //p' $(call page,$(1)))",'$(1) device')

# Types that QEMU's docs/interop/vhost-user.json knows (VHostUserBackendType).  One it does not know has no description: libvirt
# then refuses all that are in the folder, and guests with other back ends do not start.
QEMU_TYPES := 9p balloon block caif console crypto fs gpu input net rng rpmsg rproc-serial scsi vsock
qemu_type = $(or $(shell sed -n 's/^\t\.backend_type = "\([a-z0-9]*\)".*/\1/p' $(srcdir)/devices/$(1)/$(1).c 2>/dev/null),$(1))
described = $(foreach d,$(PERSONALITIES),$(if $(filter $(QEMU_TYPES),$(call qemu_type,$(d))),$(d)))

# The description is of the same document; libvirt finds a back end by it.
define install_description
	$(Q)printf '{\n  "description": "vdevd: %s",\n  "type": "$(call qemu_type,$(1))",\n  "binary": "$(BINDIR)/vdevd-$(1)",\n  "tags": []\n}\n' \
		$(call describe,$(1)) >$(qemu)/50-vdevd-$(1).json

endef

define install_personality
	$(Q)ln -sf vdevd $(bin)/vdevd-$(1)
	$(if $(call page,$(1)),$(Q)install -m 644 $(call page,$(1)) $(man1)/)

endef

install: all
	$(Q)install -d $(bin) $(man1) $(man7) $(if $(described),$(qemu)) $(if $(strip $(MODULES)),$(modules))
	$(Q)install -m 755 $(VDEVD) $(bin)/vdevd
	$(if $(wildcard $(srcdir)/man/vdevd.1),$(Q)install -m 644 $(srcdir)/man/vdevd.1 $(man1)/)
	$(Q)install -m 644 $(srcdir)/man/vdevd-howto.7 $(srcdir)/man/vdevd-protocol.7 $(man7)/
	$(foreach d,$(PERSONALITIES),$(call install_personality,$(d)))
	$(foreach d,$(described),$(call install_description,$(d)))
	$(if $(strip $(MODULES)),$(Q)install -m 644 $(MODULE_FILES) $(modules)/)
	$(if $(UNITDIR),$(Q)install -d $(unitdir) $(drop_ins))
	$(if $(UNITDIR),$(foreach u,$(units),$(call install_unit,$(u))))
	$(if $(strip $(DROP_INS)),$(Q)install -m 644 $(DROP_INS) $(drop_ins)/)
	$(if $(COMPLETION),$(install_completion))

# What a device outside the tree is built with: headers, in the folders by which they include each other, and the library, in
# which main is, too: a program that defines vdev_classes is a vdevd of its own devices.
SDK := $(BUILD)/sdk/libvdevd.a
$(SDK): $(call objects,$(LIB_SRCS) $(CMD_SRCS) cmd/main.c)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) qcsD $@ $^

include = $(DESTDIR)$(INCLUDEDIR)/vdevd
CONTRACT := $(call in_tree,core/*.h devices/lib/*.h transport/chain.h)
define install_header
	$(Q)install -m 644 $(srcdir)/$(1) $(include)/$(1)

endef

.PHONY: install-dev
install-dev: install $(SDK)
	$(Q)install -d $(sort $(addprefix $(include)/,$(dir $(CONTRACT)))) $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)install -m 644 $(BUILD)/config.h $(include)/
	$(foreach h,$(CONTRACT),$(call install_header,$(h)))
	$(Q)install -m 644 $(SDK) $(DESTDIR)$(LIBDIR)/
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$(INCLUDEDIR)' 'libdir=$(LIBDIR)' 'moduledir=$(MODULEDIR)' '' 'Name: vdevd' \
		'Description: virtio devices over vhost-user' 'Version: $(VERSION)' 'Cflags: -I$${includedir}/vdevd $(EV_CFLAGS)' \
		'Libs: -L$${libdir} -lvdevd $(strip $(EV_LIBS) $(URING_LIBS) $(SECCOMP_LIBS) $(DL_LIBS)) -pthread' \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/vdevd.pc

uninstall:
	$(Q)rm -rf $(include) $(DESTDIR)$(LIBDIR)/libvdevd.a $(DESTDIR)$(LIBDIR)/pkgconfig/vdevd.pc
	$(Q)rm -f $(bin)/vdevd $(PERSONALITIES:%=$(bin)/vdevd-%)
	$(Q)rm -f $(man7)/vdevd-howto.7 $(man7)/vdevd-protocol.7 $(man1)/vdevd.1 $(PERSONALITIES:%=$(man1)/vdevd-%.1)
	$(Q)rm -f $(PERSONALITIES:%=$(qemu)/50-vdevd-%.json)
	$(Q)rm -f $(MODULES:%=$(modules)/%.so)
	$(if $(UNITDIR),$(Q)rm -f $(units:%=$(unitdir)/%) $(addprefix $(drop_ins)/,$(notdir $(DROP_INS))))
	$(Q)rm -f $(bash_completions)/vdevd $(PERSONALITIES:%=$(bash_completions)/vdevd-%) $(zsh_completions)/_vdevd \
		$(fish_completions)/vdevd.fish $(PERSONALITIES:%=$(fish_completions)/vdevd-%.fish)
	$(Q)rmdir $(modules) $(qemu) $(drop_ins) 2>/dev/null || :

dist:
	$(Q)cd $(srcdir) && git archive --prefix=vdevd-$(or $(VERSION),dev)/ HEAD | \
		gzip -9n >$(CURDIR)/vdevd-$(or $(VERSION),dev).tar.gz
	@echo vdevd-$(or $(VERSION),dev).tar.gz

clean:
	$(Q)rm -rf $(BUILD)/core $(BUILD)/mem $(BUILD)/transport $(BUILD)/devices $(BUILD)/extra $(BUILD)/cmd $(BUILD)/test \
		$(BUILD)/pic $(BUILD)/modules $(BUILD)/sdk $(BUILD)/fuzz $(BUILD)/log* $(BUILD)/*.o $(BUILD)/*.d $(BUILD)/*.a $(BUILD)/vdevd \
		$(BUILD)/*.gc?? $(BUILD)/root $(TOP)

# For packagers' tools, which call it also where nothing was configured.
distclean: clean
	$(Q)rm -rf $(BUILD)/config.* $(BUILD)/devices.mk $(BUILD)/devtab*.c $(BUILD)/module_*.c compile_commands.json
	$(Q)rmdir $(BUILD) 2>/dev/null || :
	$(if $(filter-out .,$(srcdir)),$(Q)rm -f Makefile)

help:
	@echo 'all             vdevd and its modules (the default)'
	@echo 'check           what needs no root, virtual machine or hardware: under a minute'
	@echo 'check T=NAME    one suite or script; C=CASE: only cases of it, as make check T=gpio C=edge'
	@echo 'check-unit      those in C alone: unit, device and protocol suites'
	@echo 'check-build     other ways to configure, build and install'
	@echo 'check-all       check, further (VDEVD_TEST_DEPTH=more, or all), and check-build'
	@echo 'check-guest     a real Linux guest uses the devices (VDEVD_UML=LINUX names a User-Mode Linux kernel)'
	@echo '                T=NAME: one case, or those of a device'
	@echo 'check-xen       dom0 of a real Xen, in QEMU: foreign and grant mappings, amd64 and arm64'
	@echo 'check-sanitize  the C suites under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'check-valgrind  the C suites under valgrind'
	@echo 'coverage        the C suites with line coverage, at least 90 %'
	@echo 'fuzz            each fuzz target for FUZZ_TIME seconds ($(FUZZ_TIME)), with clang'
	@echo 'lint            clang-tidy and the rules of HACKING.md'
	@echo 'gdb T=NAME      a suite under gdb, C=CASE as with check'
	@echo 'compile_commands.json  how each source is compiled, for editors'
	@echo 'bench           latency, throughput, sizes, start-up'
	@echo 'bench-xen       what a request costs on Xen, by the ways of sharing memory'
	@echo 'demo            serves a simulated device and shows it in use'
	@echo 'man             writes man/vdevd-NAME.1 from the option tables'
	@echo 'install         into PREFIX, below DESTDIR; uninstall takes it away again'
	@echo 'install-dev     that, and headers and library for devices that are built elsewhere'
	@echo 'dist            a tar file of the last commit'
	@echo 'clean           removes what make has built; distclean also what configure has written'
	@echo
	@echo 'V=1 shows the commands; BUILD=DIR is another build, made by configure --builddir=DIR.'

-include $(shell test ! -d $(BUILD) || find $(BUILD) -type f -name '*.d')
