# rfeventd. `make help` lists the targets.
#
# A folder is a room, a room is an archive (build/<room>.a). A room includes only what its row in
# ROOM_… allows; `make lint` checks that, and each unit test links only the rooms below it.

SHELL := /bin/bash
comma := ,
.DELETE_ON_ERROR:
.SUFFIXES:

# --- rooms, floor first ---------------------------------------------------------------------
ROOMS := base event http translations registries receiver storage stream subscribe forward accounts api cli service
ROOM_base :=
ROOM_event := base
ROOM_http := base
ROOM_translations := base
ROOM_registries := base event translations
ROOM_receiver := base event http
ROOM_storage := base event
ROOM_stream := base event translations registries storage
ROOM_subscribe := base event translations registries storage
ROOM_forward := base event translations registries storage stream
ROOM_accounts := base event storage
ROOM_api := base event http translations registries receiver storage stream subscribe forward accounts
ROOM_cli := base event http translations registries storage subscribe
ROOM_service := base event http translations registries receiver storage stream subscribe forward accounts api

# --- tools and flags --------------------------------------------------------------------------
CC ?= gcc
AR ?= ar
BUILD ?= build
# For a make inside a make: all processors, unless -j was said.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
PYTHON := /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
DEPS ?= yes
WERROR ?= $(if $(CI),-Werror)
SANITIZE ?=

# Libraries by the room that adopted them.
PKG_base := yaml-0.1 libcrypto
PKG_event := jansson # its tests alone
PKG_http := openssl libnghttp2
PKG_translations := icu-uc icu-i18n jansson
PKG_registries := jansson libcrypto libarchive
PKG_storage := libpq
PKG_subscribe := libcurl jansson
PKG_forward := libcurl jansson
PKG_api := libwebsockets jansson zlib
PKG_accounts := jansson
PKG_cli := libcurl libwebsockets jansson icu-uc
PKGS := $(sort $(foreach room,$(ROOMS),$(PKG_$(room))))

VERSION := $(shell cat VERSION 2>/dev/null || echo 0)
CPPFLAGS += -D_GNU_SOURCE -I. -DRFEVENTD_VERSION='"$(VERSION)"' \
	-DRFEVENTD_REGISTRIES_DIR='"$(PREFIX)/share/rfeventd/registries"' \
	-DRFEVENTD_TRANSLATIONS_DIR='"$(PREFIX)/share/rfeventd/translations"'
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Wno-unused-parameter
HARDEN := -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
OPT ?= -O2 -g
CFLAGS += -std=gnu11 $(OPT) $(WARN) $(WERROR) $(HARDEN) -pthread
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread
ifneq ($(SANITIZE),)
CFLAGS += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
endif

pkg_cflags = $(if $(1),$(shell pkg-config --cflags $(1) 2>/dev/null))
pkg_libs = $(if $(1),$(shell pkg-config --libs $(1) 2>/dev/null))
PKG_CFLAGS := $(call pkg_cflags,$(PKGS))

SRC_room = $(wildcard $(1)/*.c)
OBJ_room = $(patsubst %.c,$(BUILD)/%.o,$(call SRC_room,$(1)))
DEPFILES := $(foreach room,$(ROOMS),$(patsubst %.o,%.d,$(call OBJ_room,$(room))))

DAEMON_LIBS := $(call pkg_libs,$(PKGS)) -lcrypt -lm
# Deliveries are made on one thread and freed on another, which glibc's allocator pays for with a fifth
# of the daemon's CPU. Without the library, or under a sanitizer, which brings its own: glibc's.
MALLOC_LIBS := $(if $(SANITIZE),,$(if $(call pkg_libs,jemalloc),-Wl$(comma)--no-as-needed $(call pkg_libs,jemalloc)))
CLI_LIBS := $(DAEMON_LIBS)

.PHONY: all build help deps run demo soak test check check-asan check-tsan fuzz e2e lint fmt install clean

all: build
build: $(BUILD)/rfeventd $(BUILD)/rfevent ## build the daemon and the command line

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

# --- compiling ---------------------------------------------------------------------------------
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

define room_archive
$(BUILD)/$(1).a: $(call OBJ_room,$(1))
	@rm -f $$@
	@mkdir -p $$(@D)
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call room_archive,$(room))))

# Roof first, floor last: the linker takes each room from those below it.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
archives = $(patsubst %,$(BUILD)/%.a,$(1))

DAEMON_ROOMS := $(filter-out cli,$(call reverse,$(ROOMS)))
$(BUILD)/rfeventd: $(call archives,$(DAEMON_ROOMS))
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(BUILD)/service/main.o \
		-Wl,--start-group $^ -Wl,--end-group $(DAEMON_LIBS) $(MALLOC_LIBS)

CLI_ROOMS := cli $(call reverse,$(ROOM_cli))
$(BUILD)/rfevent: $(call archives,$(CLI_ROOMS))
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(BUILD)/cli/main.o \
		-Wl,--start-group $^ -Wl,--end-group $(CLI_LIBS)

# --- unit tests: one program a module, linked with its room and the rooms below ---------------
UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
unit_room = $(firstword $(subst /, ,$(patsubst tests/unit/%,%,$(1))))

define unit_test
$(BUILD)/unit/$(patsubst tests/unit/%.c,%,$(1)): $(1) $(wildcard tests/unit/*.h) \
		$(call archives,$(call unit_room,$(1)) $(ROOM_$(call unit_room,$(1))))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(PKG_CFLAGS) -MMD -MP $$(LDFLAGS) -o $$@ $(1) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
		$$(call pkg_libs,$$(sort $$(foreach r,$$(call unit_room,$(1)) $$(ROOM_$$(call unit_room,$(1))),$$(PKG_$$(r))))) \
		-lcmocka -lcrypt -lm
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit_test,$(t))))
DEPFILES += $(patsubst %,%.d,$(UNIT_BIN))

# --- fuzz targets: the room whose doors a target knocks at, and the longest input worth trying ---
FUZZ_TARGETS := \
	http1:http:1024 http2:http:2048 decode:registries:4096 tree:event:1024 filter:event:512 \
	registry:registries:4096 \
	journal:storage:1024 message_id:registries:256 render:registries:512 recover:registries:512 \
	catalog:registries:2048 language:translations:512 archive:registries:4096 registry_links:subscribe:1024 \
	config:service:2048 snapshot:storage:2048 websocket_protocol:api:1024 uri:http:256 query:api:256 patch:api:2048
FUZZ_SECONDS ?= 10
fuzz_field = $(word $(2),$(subst :, ,$(1)))
fuzz_room = $(call fuzz_field,$(1),2)

# $(1) target, $(2) program, $(3) sources, $(4) flags
define fuzz_program
$(2): $(3) tests/fuzz/fuzz.h $(wildcard tests/unit/*.h) $(call archives,$(call fuzz_room,$(1)) $(ROOM_$(call fuzz_room,$(1))))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CPPFLAGS) -DFUZZ_NAME='"$(call fuzz_field,$(1),1)"' $$(CFLAGS) $$(PKG_CFLAGS) \
		$$(LDFLAGS) $(4) -o $$@ $(3) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
		$$(call pkg_libs,jansson $$(sort $$(foreach r,$(call fuzz_room,$(1)) \
		$(ROOM_$(call fuzz_room,$(1))),$$(PKG_$$(r))))) -lcrypt -lm
endef
fuzz_src = tests/fuzz/$(call fuzz_field,$(1),1)_fuzz.c
fuzz_bin = $(BUILD)/fuzz/$(call fuzz_field,$(1),1)
replay_bin = $(BUILD)/unit/fuzz/replay_$(call fuzz_field,$(1),1)
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_program,$(t),$(call fuzz_bin,$(t)),$(call \
	fuzz_src,$(t)),-fsanitize=fuzzer)))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_program,$(t),$(call replay_bin,$(t)),$(call \
	fuzz_src,$(t)) tests/fuzz/replay_main.c,)))
REPLAY_BIN := $(foreach t,$(FUZZ_TARGETS),$(call replay_bin,$(t)))
FUZZ_BIN := $(foreach t,$(FUZZ_TARGETS),$(call fuzz_bin,$(t)))

# FUZZ_ONLY='http1 decode' runs these alone.
fuzz: ## search for failing inputs, FUZZ_SECONDS (10) a target
	@DEPS=$(DEPS) scripts/deps $(DEPS_BUILD) $(DEPS_FUZZ)
	@$(MAKE) $(JOBS) --no-print-directory CC=clang BUILD=build-fuzz \
		SANITIZE=fuzzer-no-link,address,undefined OPT='-O1 -g -fno-sanitize-recover=all' fuzz-bins
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run-fuzz build-fuzz \
		$(foreach t,$(FUZZ_TARGETS),$(if $(filter $(or $(FUZZ_ONLY),%),$(call fuzz_field,$(t),1)),$(t)))

fuzz-bins: $(FUZZ_BIN)
unit-bins: $(UNIT_BIN) $(REPLAY_BIN)
.PHONY: unit-bins fuzz-bins

# --- benchmark: a program for each tests/bench/*.c, and the load generator ---------------------
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC)) $(BUILD)/bench/load
LOAD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/load/*.c))
DEPFILES += $(patsubst %,%.d,$(BENCH_BIN)) $(LOAD_OBJ:.o=.d)

# A program of one file beside the daemon's rooms.
define link_with_daemon
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(DAEMON_LIBS)
endef

$(BUILD)/bench/load: $(LOAD_OBJ) $(BUILD)/base.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg_libs,libnghttp2 openssl $(PKG_base))

$(BUILD)/bench/%: tests/bench/%.c $(call archives,$(DAEMON_ROOMS))
	$(link_with_daemon)

bench-bins: build $(BENCH_BIN)

# ARGS='--quick --only http1_cpu_vs_nginx' for a part of it.
bench: deps ## the figures of docs/performance.md, into build/bench.json (ARGS=--help)
	@DEPS=$(DEPS) scripts/deps $(DEPS_TEST) $(DEPS_BENCH)
	@$(MAKE) $(JOBS) --no-print-directory bench-bins
	@$(PYTHON) tests/bench/bench.py $(ARGS)
.PHONY: bench bench-bins

# --- tools of the end-to-end tests --------------------------------------------------------------
# Preloaded into the daemon: no sanitizer, no hardening meant for programs.
$(BUILD)/tools/%.so: tests/tools/%.c
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) $(WERROR) -fPIC -shared -pthread -o $@ $< -ldl

$(BUILD)/tools/%: tests/tools/%.c $(call archives,$(DAEMON_ROOMS))
	$(link_with_daemon)

# The daemon itself, with a decoder that can be made to crash.
$(BUILD)/tools/rfeventd_crash: tests/tools/crash_decode.c $(call archives,$(DAEMON_ROOMS))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -Wl,--wrap=decode_text -o $@ $< $(BUILD)/service/main.o \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(DAEMON_LIBS) $(MALLOC_LIBS)

test-tools: bench-bins $(BUILD)/tools/http1_requests $(BUILD)/tools/registry_fetch_main \
	$(BUILD)/tools/power_cut.so $(BUILD)/tools/faults.so $(BUILD)/tools/rfeventd_crash
.PHONY: test-tools

check: build unit-bins ## unit tests alone
	@tests/run-unit $(UNIT_BIN) $(REPLAY_BIN)

check-asan: ## unit tests under AddressSanitizer and UBSan
	$(MAKE) $(JOBS) BUILD=build-asan SANITIZE=address,undefined OPT='-O1 -g' check

check-tsan: ## unit tests under ThreadSanitizer
	$(MAKE) $(JOBS) BUILD=build-tsan SANITIZE=thread OPT='-O1 -g' check



# --- packages --------------------------------------------------------------------------------
DEPS_BUILD := gcc make python3 pkg-config libc6-dev libyaml-dev libssl-dev libjansson-dev libicu-dev libjemalloc-dev \
	libnghttp2-dev zlib1g-dev libarchive-dev libpq-dev libwebsockets-dev libcurl4-openssl-dev libcrypt-dev postgresql
DEPS_TEST := libcmocka-dev python3-pytest python3-httpx python3-h2 python3-h11 python3-psycopg2 python3-websockets \
	python3-pytest-xdist python3-jsonschema python3-yaml curl openssl nodejs node-ws procps
DEPS_BENCH := nginx-light libnginx-mod-http-echo valgrind
DEPS_FUZZ := clang clang-14 libclang-rt-14-dev
DEPS_LINT := clang clang-format shellcheck cppcheck

deps: ## install what building and running needs
	@DEPS=$(DEPS) scripts/deps $(DEPS_BUILD)
deps-test: deps
	@DEPS=$(DEPS) scripts/deps $(DEPS_TEST)
deps-dev: deps-test ## … and what testing and linting need
	@DEPS=$(DEPS) scripts/deps $(DEPS_LINT) $(DEPS_BENCH)
.PHONY: deps-test deps-dev

# --- running -----------------------------------------------------------------------------------
run: deps ## fresh machine to running service, in the foreground, with state in ./var
	@$(MAKE) $(JOBS) --no-print-directory build
	@scripts/run

demo: deps ## the same, with a few simulated BMCs sending
	@$(MAKE) $(JOBS) --no-print-directory build
	@DEMO=yes scripts/run

# --- tests -------------------------------------------------------------------------------------
test: deps-test ## every test that can run here; the last line has the count
	@$(MAKE) $(JOBS) --no-print-directory build unit-bins test-tools
	@tests/run-all $(UNIT_BIN) $(REPLAY_BIN)

e2e: test-tools ## end-to-end tests alone (pass ARGS='-k name')
	@$(PYTHON) -m pytest -q tests/e2e $(ARGS)

# RFEVENTD_SOAK_SECONDS=1800, RFEVENTD_SEED=…; tests/faults/run.py has the rest. Before it, the tests that kill
# with more kills than usual (SOAK_KILLS; 0 for none).
SOAK_KILLS ?= 0
soak: build test-tools ## the long fault run, RFEVENTD_SOAK_SECONDS (1800), into build/soak.json
	@[ $(SOAK_KILLS) = 0 ] || RFEVENTD_KILLS=$(SOAK_KILLS) $(PYTHON) -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_05_database_away.py tests/e2e/test_06_kills.py tests/e2e/test_12_power_cut.py
	@$(PYTHON) tests/faults/run.py

# --- style -------------------------------------------------------------------------------------
C_FILES := $(wildcard $(foreach room,$(ROOMS),$(room)/*.[ch])) $(wildcard tests/unit/*.h tests/unit/*/*.[ch]) \
	$(wildcard tests/tools/*.[ch] tests/fuzz/*.[ch] tests/bench/*.[ch] tests/bench/*/*.[ch])

lint: ## style, the include table, and static analysis
	@$(foreach room,$(ROOMS),ROOM_$(room)='$(ROOM_$(room))') scripts/lint-rooms $(ROOMS)
	@scripts/lint-words $(C_FILES)
	@shellcheck $(filter-out scripts/demo-fleet scripts/openapi,$(wildcard scripts/*)) tests/run-unit tests/run-all tests/run-fuzz .ci/run
	@$(MAKE) --no-print-directory lint-compile
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -j 2 \
		--suppress=missingIncludeSystem -I. -D_GNU_SOURCE $(foreach room,$(ROOMS),$(room))
	@echo "lint: clean"

# Both compilers without a warning. On a fresh clone what gcc makes can serve the tests as well.
LINT_GCC_BUILD ?= build-lint/gcc
lint-compile:
	@$(MAKE) $(JOBS) --no-print-directory CC=gcc WERROR=-Werror BUILD=$(LINT_GCC_BUILD) build unit-bins test-tools >/dev/null
	@$(MAKE) $(JOBS) --no-print-directory CC=clang WERROR=-Werror BUILD=build-lint/clang build unit-bins test-tools >/dev/null
.PHONY: lint-compile

fmt: ## format the C files
	clang-format -i $(C_FILES)

install: build ## into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/rfeventd/registries
	install -m 755 $(BUILD)/rfeventd $(BUILD)/rfevent $(DESTDIR)$(PREFIX)/bin
	install -m 644 registries/standard/*.json $(DESTDIR)$(PREFIX)/share/rfeventd/registries
	for file in $(wildcard translations/*/*.json); do \
		install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/rfeventd/$$file || exit 1; done

clean: ## remove what was built
	rm -rf build build-asan build-tsan build-fuzz build-lint

-include $(DEPFILES)
