# SPDX-License-Identifier: GPL-2.0-or-later
#
# The whole build, read from top to bottom. `make help` lists the targets.
# One flavor is built at a time, into build/$(FLAVOR): release debug asan fuzz cov.

MAKEFLAGS += -rR
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# ---- For you to set ----------------------------------------------------------------------------
# What the code requires is not in here, so that `make CFLAGS=-O0` works.

ifneq ($(filter default undefined,$(origin CC)),)
CC = gcc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR = ar
endif
FLAVOR ?= release
CFLAGS ?= $(OPTIMIZE_$(FLAVOR))
PREFIX ?= /usr/local
# 1: warnings are errors, in a tree of its own. For our checks, not for packagers.
WERROR ?=
# 1: show commands
V ?=
FUZZ_CC ?= clang-14
# Seconds for each fuzz target, by `make fuzz` and by `make fuzz-smoke`
FUZZ_TIME ?= 300
FUZZ_SMOKE_TIME ?= 30
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)

# ---- Flags -------------------------------------------------------------------------------------

PKGS = libmnl libnftnl libnetfilter_conntrack libcjson yaml-0.1 libcurl libmicrohttpd libseccomp
B := build/$(FLAVOR)$(if $(filter release,$(FLAVOR)),$(if $(WERROR),-werror))

OPTIMIZE_release = -O2 -g
OPTIMIZE_debug = -Og -g3
OPTIMIZE_asan = -O1 -g -fno-omit-frame-pointer
OPTIMIZE_fuzz = -O1 -g -fno-omit-frame-pointer
OPTIMIZE_cov = -O0 -g

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
FLAVOR_asan = $(SANITIZE)
FLAVOR_fuzz = $(SANITIZE) -fsanitize=fuzzer-no-link
FLAVOR_cov = --coverage

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wvla -Wundef -Wcast-qual -Wswitch-enum \
	$(if $(findstring clang,$(CC)),-Wno-string-conversion,$(WARNINGS_GCC)) \
	$(if $(filter release,$(FLAVOR)),-Wnull-dereference) $(if $(WERROR),-Werror)

WARNINGS_GCC = -Wlogical-op -Wduplicated-cond -Wduplicated-branches

# glibc refuses to fortify without optimisation, and the sanitizers see less through it.
FORTIFY = $(if $(filter release debug,$(FLAVOR)),$(if $(filter -O -O1 -O2 -O3 -Os -Og,$(CFLAGS)), \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3))
HARDEN = $(FORTIFY) -fstack-protector-strong -fstack-clash-protection -fPIE \
	$(if $(filter x86_64,$(MACHINE)),-fcf-protection)

# Asked for at the first use and kept: `make check` gets here before there is a compiler.
MACHINE = $(eval MACHINE := $$(firstword $$(subst -, ,$$(shell $(CC) -dumpmachine 2>/dev/null))))$(MACHINE)
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS) 2>/dev/null))$(PKG_CFLAGS)

ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Iinclude -I. $(WARNINGS) $(HARDEN) -fno-strict-aliasing \
	$(PKG_CFLAGS) $(FLAVOR_$(FLAVOR)) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

Q = $(if $(V),,@)
say = @$(if $(V),:,printf '  %-7s %s\n' $(1) $(2))
pkg_libs = $(if $(1),$(shell pkg-config --libs $(1)))

# ---- Who may use whom --------------------------------------------------------------------------
# A module is an archive. The tests of a module are linked with the archives and the libraries
# named here and with nothing else, so a forbidden dependency does not link.

MODULES = base proxy watch nft cmd
DIR_base = proxy/base
$(foreach m,proxy watch nft cmd,$(eval DIR_$(m) = $(m)))

USES_base = base
USES_proxy = proxy base
USES_watch = watch proxy base
USES_nft = nft proxy base
USES_cmd = cmd watch nft proxy base

LIBS_watch = $(call pkg_libs,libcjson yaml-0.1 libcurl) -lev
LIBS_nft = $(call pkg_libs,libmnl libnftnl libnetfilter_conntrack)
LIBS_cmd = $(call pkg_libs,$(PKGS)) -lev -lm

# ---- What is built -----------------------------------------------------------------------------

SRC := $(wildcard proxy/base/*.c proxy/*.c watch/*.c nft/*.c cmd/*.c)
UNIT := $(patsubst %.c,$(B)/%,$(wildcard test/unit/test_*.c))
KERNEL := $(patsubst %.c,$(B)/%,$(wildcard test/kernel/test_*.c))
BENCH := $(patsubst %.c,$(B)/%,$(wildcard test/bench/*.c))
FUZZ := $(patsubst %.c,$(B)/%,$(wildcard test/fuzz/*.c))
# Other sources beside the tests are helpers for all of them.
HELPERS := $(filter-out test/unit/test_%,$(wildcard test/unit/*.c)) \
	$(filter-out test/kernel/test_%,$(wildcard test/kernel/*.c)) $(wildcard test/fake/*.c)
OBJ := $(patsubst %.c,$(B)/%.o,$(SRC) $(HELPERS))

all: $(B)/kubenft $(if $(filter release,$(FLAVOR)),build/kubenft) ## build build/kubenft (default)

build/kubenft: $(B)/kubenft
	$(Q)ln -f $< $@

$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(DEFINE_$(<F)) -MMD -MP -c -o $@ $<

# Only this file knows the version, so that a commit does not rebuild the rest.
$(B)/cmd/version.o: $(B)/version
DEFINE_version.c = -DKUBENFT_VERSION='"$(VERSION)"'

# Files that change when their content does: the flags, and the version.
update = mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' >$@
$(B)/flags: FORCE
	@command -v pkg-config >/dev/null && pkg-config --print-errors --exists $(PKGS) || \
		{ echo "some libraries are missing; as root: test/deps.sh build" >&2; exit 1; }
	@$(call update,$(CC) $(ALL_CFLAGS) | $(ALL_LDFLAGS))
$(B)/version: FORCE
	@$(call update,$(VERSION))
FORCE:

# The directory is a prerequisite for the case that a file was removed from it.
archive = $(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
define module_rules
$(B)/lib$(1).a: $(patsubst %.c,$(B)/%.o,$(filter-out cmd/main.c,$(wildcard $(DIR_$(1))/*.c))) \
		$(DIR_$(1))
	$$(call say,AR,$$@)
	$$(archive)

$(B)/test/unit/test_$(1)_%: $(B)/test/unit/test_$(1)_%.o $(B)/libtest.a \
		$(USES_$(1):%=$(B)/lib%.a)
	$$(call link,$$(LIBS_$(1)) -lcmocka)
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

$(B)/libtest.a: $(HELPERS:%.c=$(B)/%.o)
	$(archive)

define link
$(call say,LD,$@)
$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(1)
endef
ALL_ARCHIVES = $(USES_cmd:%=$(B)/lib%.a)
$(B)/kubenft: $(B)/cmd/main.o $(ALL_ARCHIVES)
	$(call link,$(LIBS_cmd))
$(B)/test/kernel/%: $(B)/test/kernel/%.o $(B)/libtest.a $(ALL_ARCHIVES)
	$(call link,$(LIBS_cmd) -lcmocka)
$(B)/test/bench/%: $(B)/test/bench/%.o $(B)/libtest.a $(ALL_ARCHIVES)
	$(call link,$(LIBS_cmd))
$(B)/test/fuzz/%: $(B)/test/fuzz/%.o $(B)/libtest.a $(ALL_ARCHIVES)
	$(call link,$(LIBS_cmd) -fsanitize=fuzzer)

-include $(OBJ:.o=.d) $(UNIT:=.d) $(KERNEL:=.d) $(BENCH:=.d) $(FUZZ:=.d)

# ---- Tests -------------------------------------------------------------------------------------

# The sanitizers' shadow memory collides with a heap placed at random over 32 bits.
NO_ASLR = $(if $(filter asan fuzz,$(FLAVOR)),$(shell setarch -R true 2>/dev/null && echo setarch -R))
RUN = KUBENFT=$(CURDIR)/$(B)/kubenft $(NO_ASLR) test/run_tests.py \
	--prefix '$(filter-out release,$(FLAVOR))'
GOLDEN = $(wildcard test/golden/run test/oracle/run)
LINT = layers purity names headers forbidden sizes format tidy cppcheck shellcheck options man selftest

test: all $(UNIT) ## unit and golden tests, and the manifests
	@$(RUN) --jobs 2 $(UNIT) $(GOLDEN) $(if $(filter release,$(FLAVOR)),test/manifests/check)

kernel-test: $(KERNEL) ## tests against the kernel's nf_tables, as root
	@$(RUN) --prefix '$(filter-out release,$(FLAVOR)) kernel' $(KERNEL)

e2e: all ## real connections through the real daemon, and the demo, as root
	@$(RUN) --timeout 1800 --jobs 2 $(foreach part,2/4 4/4 3/4 1/4, \
		'test/e2e/run --part $(part) --binary $(B)/kubenft $(E2E_ARGS)') \
		$(if $(filter release,$(FLAVOR)),test/apiserver/check)
	@$(RUN) 'test/demo/run $(B)/kubenft' 'test/demo/run --source api $(B)/kubenft'

lint: all ## layers, purity, format, clang-tidy, ... : all of test/lint
	@LINT_BUILD=$(B) LINT_CFLAGS='$(filter-out -W%,$(ALL_CFLAGS))' \
		$(RUN) --prefix lint --timeout 1800 $(LINT:%=test/lint/%.sh)

# Each stage is a make of its own; one that cannot even be built is a failed test.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
stage = $(MAKE) --no-print-directory $(JOBS) $(1) || test/run_tests.py --failed 'make $(1)';
check: ## install what is missing, then every check there is, plain and sanitized
	@test/deps.sh build test image
	@rm -rf build/check
	+@export CHECK_DIR=build/check; \
	$(foreach goal,lint test kernel-test e2e image-test,$(call stage,WERROR=1 $(goal))) \
	$(foreach goal,test kernel-test e2e,$(call stage,FLAVOR=asan E2E_ARGS=--quick $(goal))) \
	$(if $(wildcard test/fuzz/*.c),$(call stage,fuzz-smoke)) \
	test/run_tests.py --total build/check

fuzz: ## fuzz each target for FUZZ_TIME seconds
	@$(MAKE) --no-print-directory $(JOBS) FLAVOR=fuzz CC=$(FUZZ_CC) run-fuzz

fuzz-smoke: ## fuzz each target for FUZZ_SMOKE_TIME seconds
	@$(MAKE) --no-print-directory $(JOBS) FLAVOR=fuzz CC=$(FUZZ_CC) \
		FUZZ_TIME=$(FUZZ_SMOKE_TIME) run-fuzz

# What is found goes into build/; test/fuzz/corpus/NAME holds what is worth keeping.
run-fuzz: $(FUZZ)
	@mkdir -p $(FUZZ:$(B)/test/fuzz/%=build/corpus/%) $(FUZZ:$(B)/test/fuzz/%=build/crash/%)
	@$(RUN) --jobs 2 --timeout $$(($(FUZZ_TIME) + 120)) $(foreach f,$(FUZZ),'$(f) -max_total_time=$(FUZZ_TIME) \
		-timeout=10 -rss_limit_mb=2048 -artifact_prefix=build/crash/$(notdir $f)/ \
		build/corpus/$(notdir $f) $(wildcard test/fuzz/corpus/$(notdir $f))')

bench: all $(BENCH) ## measure; as root, with the kernel's own share
	@KUBENFT=$(CURDIR)/$(B)/kubenft BENCH_DIR=$(CURDIR)/$(B)/test/bench test/bench/run
	@KUBENFT=$(CURDIR)/$(B)/kubenft test/bench/api
	@KUBENFT=$(CURDIR)/$(B)/kubenft test/bench/scrape

image: all ## an OCI image archive, build/kubenft-image.tar, for containerd, podman and others
	@test/deps.sh image
	@manifests/image/root $(B)/kubenft build/image/root
	@manifests/image/archive build/image/root '$(VERSION)' build/kubenft-image.tar
	@ls -l build/kubenft-image.tar

image-test: image ## the image in a container, as root
	@$(RUN) 'test/image/run build/kubenft-image.tar'

image-root: all ## the image's file system only, build/image/root
	@manifests/image/root $(B)/kubenft build/image/root

demo: ## a node in network namespaces, real requests through Services; SOURCE=api, as root
	@test/deps.sh build demo $(if $(filter api,$(SOURCE)),demo-api)
	@$(MAKE) --no-print-directory $(JOBS) all
	@KUBENFT=$(CURDIR)/build/kubenft test/demo/run $(if $(SOURCE),--source '$(SOURCE)')

cover: ## line coverage of unit, golden and kernel tests into build/cov/index.html
	@test/deps.sh build test cover
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory $(JOBS) FLAVOR=cov test kernel-test
	@gcovr --root . --object-directory build/cov --exclude test/ --html-details build/cov/index.html \
		--print-summary

golden-update: all ## rewrite the golden files; git shows what changed
	@KUBENFT=$(CURDIR)/$(B)/kubenft test/golden/run --update

reference-update: $(B)/test/unit/test_cmd_reference ## write the settings into README.md and the manual page
	@REFERENCE_UPDATE=1 $< >/dev/null

format: ## put all sources into shape
	@find cmd proxy watch nft include test -name '*.[ch]' -exec clang-format-14 -i {} +

# ---- Installation ------------------------------------------------------------------------------

SBINDIR = $(DESTDIR)$(PREFIX)/sbin
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man8
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/kubenft
EXAMPLES = $(wildcard manifests/*.yaml $(foreach d,base kubeadm monitoring,manifests/$(d)/*))

install: all ## install below $(DESTDIR)$(PREFIX)
	install -d '$(SBINDIR)' '$(MANDIR)' '$(DOCDIR)'
	install -m 755 $(B)/kubenft '$(SBINDIR)/kubenft'
	install -m 644 cmd/kubenft.8 '$(MANDIR)/kubenft.8'
	install -m 644 README.md LICENSE '$(DOCDIR)'
	$(foreach f,$(EXAMPLES:manifests/%=%),install -D -m 644 manifests/$(f) '$(DOCDIR)/examples/$(f)' &&) true

uninstall: ## remove what install put there
	rm -f '$(SBINDIR)/kubenft' '$(MANDIR)/kubenft.8'
	rm -rf '$(DOCDIR)'

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: all test kernel-test e2e image image-root image-test lint check fuzz fuzz-smoke run-fuzz bench demo cover golden-update \
	reference-update format install uninstall clean help FORCE
