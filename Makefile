# facet.  `make help` lists the targets; tools/probe finds the libraries; tools/deps installs them on Debian.
.DEFAULT_GOAL := all
.SUFFIXES:
comma := ,
.DELETE_ON_ERROR:

# For which processors, -march; none: for all that the compiler knows, with the kernels of several chosen at run time.
ARCH ?=
PREFIX ?= /usr/local
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
OBJCOPY ?= objcopy
# nproc would take OMP_NUM_THREADS for the number of cores.
CORES ?= $(or $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null),1)
export CORES
PYTHON := .venv/bin/python
# What is started here finds this folder's Python package, whatever else is installed.
export PYTHONPATH := $(CURDIR)/analysis$(if $(PYTHONPATH),:$(PYTHONPATH))

# As root, in a container for one, Open MPI wants to hear twice that it may run.
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT := 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
endif
export OMP_NUM_THREADS ?= 1

# Where everything goes that is built: another folder for another compiler, MPI or processor beside this one.
OUT ?= build
BUILD := $(OUT)$(if $(FUZZ),/fuzz,$(if $(filter 1,$(SANITIZE)),/sanitize))
GENERATED := $(OUT)/generated
# How targets that first install what the build needs then build: on all cores, unless -j says otherwise.
BUILD_NOW = +$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(CORES))

# What is asked for by name. ALONE: they need no library of the build, or install it first and then call make again.
ALONE := deps venv viewer demo test test-disk test-edits test-flips test-launches test-ranks agree fuzz test-slurm test-mpich \
  cross campaign bench bench-viewer lint format clean help
TARGETS := all tests docs docs-check scaling install $(ALONE)
.PHONY: $(TARGETS)
all:

# ---- what was found on this machine, found again when one of these variables changes ----
SETTINGS := CC CFLAGS CPPFLAGS LDFLAGS MPI_CFLAGS MPI_LIBS HDF5_DIR SCALAPACK_LIBS OPENBLAS_LIBS ONEDNN_DIR \
  RANDOM123_DIR ONNX_PROTO YAML_DIR PKG_CONFIG PKG_CONFIG_PATH
GIVEN := $(foreach name,$(SETTINGS),$(name)='$($(name))')
ifneq ($(filter-out $(ALONE),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell [ -w $(firstword $(wildcard $(OUT) build) .) ] || echo no),)
$(error $(CURDIR) is not yours to write in: build a copy)
endif
include $(OUT)/config.mk
endif

# keep FILE, TEXT: writes the text unless the file says so already, so that its time tells when it changed
keep = mkdir -p $(@D) && printf '%s\n' $(1) >$@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
quoted = '$(subst ','\'',$(1))'

.PHONY: FORCE
$(OUT)/settings: FORCE
	@$(call keep,$(call quoted,$(GIVEN)))
$(OUT)/config.mk: $(OUT)/settings tools/probe
	@$(GIVEN) tools/probe >$@

# V=1 shows the commands whole.
SAY := @echo ' '
SHOW := @
ifeq ($(V),1)
SAY := @:
SHOW :=
endif

# ---- the library, the program ----
LIBRARY_SOURCES := $(sort $(wildcard src/*/*.c))
PROGRAM_SOURCES := $(sort $(wildcard mpi/*/*.c))
# What is compiled for several levels of processors, where no kind is asked for or one of many (src/kernels/levels.h).
LEVELED := $(addprefix src/kernels/,block elementwise image inner lane_block lane_conv panel sparse winograd) \
  src/embed/near src/embed/tsne_pairs
ASKED_FOR := $(ARCH) $(patsubst -march=%,%,$(filter -march=%,$(FOUND_CC) $(CPPFLAGS) $(CFLAGS)))
LEVELS := $(if $(filter 1,$(SANITIZE))$(filter-out x86-64 x86-64-v2 x86-64-v3,$(ASKED_FOR)),,$(FOUND_LEVELS))
LIBRARY_OBJECTS := $(LIBRARY_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/onnx.pb-c.o \
  $(foreach level,$(LEVELS),$(LEVELED:%=$(BUILD)/%.$(level).o))
PROGRAM_OBJECTS := $(PROGRAM_SOURCES:%.c=$(BUILD)/%.o)
# What nobody calls: linked by name, not out of an archive.
STARTING := $(patsubst %,mpi/program/%.o,facet processor room)
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))
PARALLEL_TESTS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/parallel/test_*.c)))
BENCH_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/bench_*.c)))
FUZZ_TARGETS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
CONFORMANCE := $(BUILD)/tests/conformance/conformance
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/programs/*.c)))
REVISION_SOURCES := $(shell grep -lE 'FACET_(REVISION|OPTIONS|SCALAPACK_VERSION)' $(LIBRARY_SOURCES) $(PROGRAM_SOURCES))

# WERROR=1: warnings are errors, for who changes facet; its users' compilers may know new ones. Sanitizers confuse the
# warnings that depend on optimization: there they are no errors, and the noisiest is off.
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-psabi \
  $(if $(filter 1,$(SANITIZE))$(FUZZ),$(if $(FUZZ),-w,-Wno-format-truncation),$(if $(filter 1,$(WERROR)),-Werror))
OPTIMIZE := $(if $(filter 1,$(SANITIZE)),-O1 -g -fno-omit-frame-pointer -fsanitize=address$(comma)undefined \
  -fno-sanitize-recover=all,$(if $(FUZZ),-O1 -g -fno-omit-frame-pointer -fsanitize=address$(comma)undefined \
  -fsanitize=fuzzer-no-link -fno-sanitize-recover=all,-O3 -g -fno-trapping-math -fno-math-errno -ffp-contract=off))
LANGUAGE := -std=c17 -D_GNU_SOURCE $(FOUND_OPENMP) -Iinclude -Isrc -Impi -Itests -isystem $(GENERATED) -DH5_USE_110_API
OPTIONS := $(OPTIMIZE) $(ARCH:%=-march=%) $(CPPFLAGS) $(CFLAGS)
COMPILE := $(if $(FUZZ),$(FUZZ),$(FOUND_CC)) $(LANGUAGE) $(WARNINGS) $(FOUND_CFLAGS) $(OPTIONS)
SHARED := -fPIC -fvisibility=hidden -fno-semantic-interposition
LIBRARIES := $(LDFLAGS) $(FOUND_LIBS) -lm
VERSION := $(shell awk '/^.define FACET_VERSION_(MAJOR|MINOR|PATCH) /{v = v p $$3; p = "."} END{print v}' include/facet/base.h)
SONAME := libfacet.so.$(basename $(VERSION))

all: $(BUILD)/facet $(BUILD)/libfacet.a $(BUILD)/libfacet.so
tests: $(FUZZ_TARGETS) $(UNIT_TESTS) $(PARALLEL_TESTS) $(TEST_PROGRAMS) $(CONFORMANCE)

$(BUILD)/flags: FORCE
	@$(call keep,$(call quoted,$(COMPILE) $(SHARED) $(foreach level,$(LEVELS),$(LEVEL_$(level))) $(LIBRARIES)))
$(OUT)/revision: FORCE
	@$(call keep,"$$(tools/revision)")

$(GENERATED)/onnx.pb-c.h: $(FOUND_PROTO) $(OUT)/config.mk
	@mkdir -p $(@D)
	@cp '$(FOUND_PROTO)' $(@D)/onnx.proto
	$(SAY) protoc-c $(FOUND_PROTO)
	$(SHOW)protoc-c -I $(@D) --c_out=$(@D) onnx.proto
$(GENERATED)/onnx.pb-c.c: $(GENERATED)/onnx.pb-c.h ;
$(BUILD)/onnx.pb-c.o: $(GENERATED)/onnx.pb-c.c $(BUILD)/flags
	$(SAY) cc $<
	$(SHOW)$(COMPILE) $(PLACED) -w -c $< -o $@

$(BUILD)/%.o: %.c $(BUILD)/flags | $(GENERATED)/onnx.pb-c.h
	@mkdir -p $(@D)
	$(SAY) cc $<
	$(SHOW)$(COMPILE) $(PLACED) $(EXTRA) -MMD -MP -c $< -o $@
$(REVISION_SOURCES:%.c=$(BUILD)/%.o): $(OUT)/revision
$(REVISION_SOURCES:%.c=$(BUILD)/%.o): private EXTRA = -DFACET_REVISION='"$(file <$(OUT)/revision)"' \
  -DFACET_SCALAPACK_VERSION='"$(FOUND_SCALAPACK)"' -DFACET_OPTIONS=$(call quoted,"$(subst ",\",$(subst \,\\,$(strip $(OPTIONS))))")

# What the compiler takes for granted of an x86-64, for the file that asks whether it is there, itself compiled for any.
# -c comes first: by it Spack's wrapper takes this for a compilation, and adds the -march that it adds to those.
GRANTED = $(shell $(FOUND_CC) $(OPTIONS) -c -dM -E -xc /dev/null | \
  sed -nE 's/^.define __(SSE4_2|POPCNT|AVX|XOP|FMA4?|AVX2|BMI2|AVX512[A-Z0-9]+)__ 1$$/\1/p')
$(BUILD)/mpi/program/processor.o: private EXTRA = $(if $(GRANTED),-march=x86-64 -DFACET_GRANTED='" $(GRANTED) "')

# The mpirun that belongs to what the program is linked with.
$(BUILD)/mpi/program/launch.o: private EXTRA = -DFACET_BUILD_MPIRUN='"$(FOUND_MPIRUN)"'

# Products and sums in one instruction, where nothing but speed depends on it: C17 alone would keep them apart. And
# vector versions of exp and log, which compilers take under -ffast-math alone.
FAST_block := -ffp-contract=fast
FAST_image := -ffp-contract=fast
FAST_inner := -ffp-contract=fast
FAST_lane_block := -ffp-contract=fast
FAST_lane_conv := -ffp-contract=fast
FAST_sparse := -ffp-contract=fast
FAST_winograd := -ffp-contract=fast
FAST_tsne_pairs := -ffast-math -ffp-contract=fast

# The flags of a level are what src/kernels/blas_core.c asks the processor for. Functions get the level behind their
# names.
LEVEL_avx2 := -mavx2 -mfma
LEVEL_avx512 := $(LEVEL_avx2) -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=256
LEVELED_NAMES := $(if $(LEVELS),$(shell sed -nE 's/^FACET_LEVELED(_VOID)?.([^,]*, )?(facet_[a-z0-9_]+),.*/\3/p' \
  src/kernels/levels.c src/embed/levels.c))
named = $(foreach name,$(LEVELED_NAMES),-D$(name)=$(name)_$(1))
$(LEVELED:%=$(BUILD)/%.o): private EXTRA = $(FAST_$(basename $(@F))) $(if $(LEVELS),$(call named,old))
$(if $(LEVELS),$(BUILD)/src/kernels/levels.o $(BUILD)/src/embed/levels.o): private EXTRA = -DFACET_LEVELS
define level_rule
$(BUILD)/%.$(1).o: %.c $(BUILD)/flags | $(GENERATED)/onnx.pb-c.h
	@mkdir -p $$(@D)
	$(SAY) cc $$< for $(1)
	$(SHOW)$$(COMPILE) $$(PLACED) $$(FAST_$$(basename $$(basename $$(@F)))) $(LEVEL_$(1)) $$(call named,$(1)) -MMD -MP -c $$< -o $$@
endef
$(foreach level,$(LEVELS),$(eval $(call level_rule,$(level))))

# The program and the tests see the library's rooms; its users see what include/facet declares, and nothing else: all
# other names are hidden in the objects, and local in the libraries that are made of them.
$(LIBRARY_OBJECTS): private PLACED = $(SHARED)
$(BUILD)/rooms.a: $(LIBRARY_OBJECTS)
$(BUILD)/program.a: $(filter-out $(addprefix %/,$(STARTING)),$(PROGRAM_OBJECTS))
$(BUILD)/rooms.a $(BUILD)/program.a:
	@rm -f $@.new
	$(SAY) ar $@
	$(SHOW)$(AR) rcs $@.new $^ && mv $@.new $@
$(BUILD)/libfacet.a: $(LIBRARY_OBJECTS)
	@rm -f $@.new
	$(SAY) ar $@
	$(SHOW)$(LD) -r $^ -o $@.o && $(OBJCOPY) --localize-hidden $@.o && $(AR) rcs $@.new $@.o && mv $@.new $@ && rm $@.o
$(BUILD)/libfacet.so: $(LIBRARY_OBJECTS)
	$(SAY) link $@
	$(SHOW)$(COMPILE) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs,--as-needed $^ -o $@ $(LDFLAGS) $(FOUND_LIBRARY_LIBS) -lm
$(BUILD)/facet: $(addprefix $(BUILD)/,$(STARTING)) $(BUILD)/program.a $(BUILD)/rooms.a
	$(SAY) link $@
	$(SHOW)$(COMPILE) $^ -o $@ $(LIBRARIES)

# A test program is one file with its own main, linked with what it uses of the library and of mpi/.
$(UNIT_TESTS) $(PARALLEL_TESTS): private MORE = -lcmocka
# Where it vectorizes a loop over fmax, GCC 12 for AArch64 dies; these need no speed.
$(UNIT_TESTS:%=%.o) $(PARALLEL_TESTS:%=%.o): private EXTRA = -fno-tree-vectorize
$(UNIT_TESTS) $(PARALLEL_TESTS) $(TEST_PROGRAMS) $(BENCH_PROGRAMS): %: %.o $(BUILD)/program.a $(BUILD)/rooms.a
	$(SAY) link $@
	$(SHOW)$(COMPILE) $^ -o $@ $(MORE) $(LIBRARIES)
# A yardstick that nobody has to have.
XSMM := $(shell pkg-config --libs libxsmm 2>/dev/null)
$(BUILD)/tests/bench/bench_xsmm.o: private EXTRA = $(if $(XSMM),-DFACET_XSMM)
$(BUILD)/tests/bench/bench_xsmm: private MORE = $(XSMM)
$(CONFORMANCE): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/conformance/*.c)) $(BUILD)/program.a $(BUILD)/rooms.a
	$(SAY) link $@
	$(SHOW)$(COMPILE) $^ -o $@ $(LIBRARIES)
# Fuzz targets: with libFuzzer's main where FUZZ names a clang, else with one that replays files.
$(FUZZ_TARGETS): %: %.o $(if $(FUZZ),,$(BUILD)/tests/fuzz/replay.o) $(BUILD)/program.a $(BUILD)/rooms.a
	$(SAY) link $@
	$(SHOW)$(COMPILE) $(if $(FUZZ),-fsanitize=fuzzer) $^ -o $@ $(LIBRARIES)
.SECONDARY:

-include $(wildcard $(BUILD)/src/*/*.d $(BUILD)/mpi/*/*.d $(BUILD)/tests/*/*.d)

# ---- what people do ----
deps:
	@tools/deps build demo test
	@echo "deps: all there"

# Python with the package facet and what it needs.
venv:
	@tools/venv analysis/requirements.txt
	@echo "venv: .venv/bin/python -m facet --help"

# The browser's viewer, in $(BUILD)/viewer; where npm or its registry is out of reach, a line says so and all goes on.
viewer:
	@tools/deps viewer || true
	@tools/viewer $(OUT)/viewer

demo:
	@tools/deps build demo
	@tools/venv analysis/requirements.txt
	@$(MAKE) --no-print-directory viewer
	$(BUILD_NOW) all
	build/facet run jobs/demo.yaml -n $(CORES)
	$(PYTHON) -m facet report results/demo/study.h5
	@[ ! -f $(OUT)/viewer/single.html ] || $(PYTHON) -m facet view results/demo/study.h5
	@echo "demo: open results/demo/report/report.html$$([ ! -f results/demo/study.html ] || echo ' and results/demo/study.html')"

# SANITIZE=1: the unit tests and the ONNX cases alone, under the address and undefined-behaviour sanitizers.
test:
	@tools/deps build demo test
ifeq ($(SANITIZE),1)
	$(BUILD_NOW) SANITIZE=1 tests
	@tests/run $(BUILD) unit conformance
else
	@tools/venv analysis/requirements.txt tests/requirements.txt
	@tools/deps browser || echo "test: no Chromium, going on without the tests of the viewer"
	@PIP_RETRIES=0 tools/venv tests/viewer/requirements.txt || echo "test: no Playwright, going on without the tests of the viewer"
	@$(MAKE) --no-print-directory viewer
	@PIP_RETRIES=0 tools/venv tests/study/torch.txt || echo "test: no PyTorch, going on without the tests that need it"
	@PIP_RETRIES=0 tools/venv tests/study/explainers.txt || echo "test: no Captum or Quantus, going on without the tests that need them"
	$(BUILD_NOW) all tests
	@tests/run $(BUILD) unit parallel conformance study
endif

test-edits:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	FACET_EDITS=24 $(PYTHON) -m pytest -q tests/study/test_edited.py -k random

test-flips:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	FACET_FLIPS=50 $(PYTHON) -m pytest -q tests/study/test_verify.py -k any_bit

test-ranks:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	FACET_RANKS=64 $(PYTHON) -m pytest -q tests/study/test_ranks.py

# `facet run -n` a hundred times, and each signal ten times, instead of ten times and once: some minutes.
test-launches:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	FACET_LAUNCHES=100 $(PYTHON) -m pytest -q -p no:cacheprovider tests/study/test_launch.py

# Whether another build comes to the same W, logits and checksum: OTHER= its folder; MODEL= another network. Some minutes.
agree:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	@[ -x $(call quoted,$(OTHER)/facet) ] || { echo "agree: OTHER= names the folder of another build, as make OUT=build/clang CC=clang all makes one" >&2; exit 64; }
	@FACET_BUILD=$(BUILD) MODEL=$(call quoted,$(MODEL)) $(PYTHON) tests/agree.py $(call quoted,$(OTHER))

# A disk that fails at every single call that writes, instead of at a few, on one rank and on two; an hour or two.
test-disk:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	FACET_DISK_MOMENTS=0 $(PYTHON) -m pytest -q tests/study/test_disk.py
	FACET_DISK_MOMENTS=0 FACET_DISK_RANKS=2 $(PYTHON) -m pytest -q tests/study/test_disk.py -k goes_on

# SECONDS= for each target; FUZZ= another clang. Bytes that were found to do harm go to $(OUT)/fuzz/found.
fuzz:
	@tools/deps build demo test fuzz
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) FUZZ=$(or $(FUZZ),clang) fuzz-now
	@$(PYTHON) tests/fuzz/seeds.py $(OUT)/fuzz/seeds
	@tests/fuzz/run $(OUT)/fuzz $(or $(SECONDS),60)
.PHONY: fuzz-now
fuzz-now: $(FUZZ_TARGETS)

test-slurm:
	@tools/deps build demo slurm
	@tools/venv analysis/requirements.txt
	$(BUILD_NOW) all
	@tests/slurm/run.sh

# Faults by the hundred: SEED= which, COUNT= how many, TRY= one alone, LONGEST= seconds until a run counts as hanging.
campaign:
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	@SEED=$(SEED) COUNT=$(COUNT) TRY=$(TRY) LONGEST=$(LONGEST) $(PYTHON) tests/campaign/run.py

# A build of its own, for MPICH: the tests of running on ranks, and the same checksums as the build for Open MPI.
test-mpich:
	@tools/deps build demo test mpich
	@tools/venv analysis/requirements.txt tests/requirements.txt
	$(BUILD_NOW) all
	$(BUILD_NOW) OUT=build/mpich CC=mpicc.mpich all tests
	@tests/run build/mpich parallel
	FACET_BUILD=build/mpich $(PYTHON) -m pytest -q -p no:cacheprovider tests/study/test_mpich.py tests/study/test_launch.py

# For AArch64, on a Debian of another architecture.
cross:
	@tools/deps build cross
	@tools/cross

bench:
	@tools/deps build demo
	@tools/venv analysis/requirements.txt tests/requirements.txt
	@tools/venv tests/bench/requirements.txt || echo "bench: no PyTorch, going on without the comparison"
	@PIP_RETRIES=0 tools/venv tests/study/explainers.txt || echo "bench: no Captum, going on with its rule by PyTorch alone"
	@tools/venv tests/bench/maps.txt || echo "bench: no UMAP, going on without the comparison"
	$(BUILD_NOW) all bench-programs
	$(PYTHON) tests/bench/run.py
# The viewer on sparse files of 50 GB, in Chromium: opening, brushing, memory. Some minutes.
bench-viewer: viewer
	@tools/venv analysis/requirements.txt tests/requirements.txt tests/viewer/requirements.txt
	$(PYTHON) tests/viewer/bench.py
# Strong and weak scaling on 1 and 2 ranks, and what follows for more (docs/scaling.md). Some three minutes.
scaling:
	@tools/venv analysis/requirements.txt
	$(BUILD_NOW) all bench-programs
	$(PYTHON) tests/bench/scaling.py
.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS)

lint:
	@tools/deps build lint
	@tools/venv analysis/requirements.txt analysis/lint.txt
	$(BUILD_NOW) lint-now
.PHONY: lint-now
FORMATTED = $(sort $(wildcard include/*/*.h src/*.h src/*/*.[ch] mpi/*/*.[ch] tests/*/*.[ch]))
lint-now: $(GENERATED)/onnx.pb-c.h
	$(SAY) clang-format
	$(SHOW)clang-format --dry-run -Werror $(FORMATTED) || { echo "lint: run make format" >&2; exit 1; }
	$(SAY) rooms
	@tools/rooms
	$(SAY) clang-tidy
	@tools/tidy $(LANGUAGE) $(FOUND_CFLAGS) -- $(LIBRARY_SOURCES) $(PROGRAM_SOURCES)
	@/usr/bin/env python3 -m compileall -q tests
	$(SAY) ruff, mypy
	$(SHOW)$(PYTHON) -m ruff check -q analysis && cd analysis && ../$(PYTHON) -m mypy

format:
	clang-format -i $(FORMATTED)

# Tables that are derived from the program; make test holds them against it, too.
docs: $(TEST_PROGRAMS) $(BUILD)/facet
	@tools/docs $(BUILD)/tests/programs $(wildcard docs/*.md)
	@tools/man $(BUILD)/facet >$(BUILD)/facet.1 && cp $(BUILD)/facet.1 docs
docs-check: $(TEST_PROGRAMS) $(BUILD)/facet
	@tools/docs --check $(BUILD)/tests/programs $(wildcard docs/*.md)
	@tools/man $(BUILD)/facet | diff -u docs/facet.1 - || { echo "docs/facet.1: run make docs" >&2; exit 1; }

install: all
	@PREFIX=$(call quoted,$(PREFIX)) DESTDIR=$(call quoted,$(DESTDIR)) LIBDIR=$(call quoted,$(or $(LIBDIR),$(PREFIX)/lib)) \
	  VERSION=$(VERSION) SONAME=$(SONAME) LIBS=$(call quoted,$(FOUND_OPENMP) $(strip $(LDFLAGS) $(FOUND_LIBRARY_LIBS)) -lm) \
	  tools/install $(BUILD)

clean:
	rm -rf build

help:
	@echo 'make            build/facet, build/libfacet.a and build/libfacet.so'
	@echo 'make deps       install what it needs (Debian; says what)'
	@echo 'make venv       .venv: Python with the package facet'
	@echo 'make viewer     build/viewer: what shows a study in the browser (npm; part of make demo)'
	@echo 'make demo       train, prune, linearize Fashion-MNIST; report in results/demo'
	@echo 'make fuzz       hostile bytes for every reader, by libFuzzer (clang): SECONDS=60 for each target'
	@echo 'make test       unit, parallel, ONNX and whole-run tests; SANITIZE=1: unit and ONNX under sanitizers'
	@echo 'make test-disk  a disk that fails at every single call that writes; make test has a few'
	@echo 'make test-edits 24 random edits of a study, each against a fresh run; make test has five'
	@echo 'make test-flips 50 bits of a finished study changed, one after the other: facet verify finds each; make test has five'
	@echo 'make test-launches facet run -n a hundred times, and each signal ten times: every message and status arrives; make test has ten'
	@echo 'make test-ranks 64 ranks on this machine and 1,000 tiles of three samples: the bits of one rank; make test has five'
	@echo 'make agree      W, logits and checksum of a study by this build and another one, OTHER=build/clang: the largest differences'
	@echo 'make test-slurm studies on a private four-node Slurm on this machine, and all that can happen to a job'
	@echo 'make campaign   300 faults in tiny studies (SEED= COUNT=): killed, stopped, short of disk and memory, bits flipped, edited; have to end the same'
	@echo 'make test-mpich the same bits under MPICH, which it installs beside Open MPI and builds for in build/mpich'
	@echo 'make cross      a build for AArch64 in build/arm64, with most unit tests under qemu'
	@echo 'make lint       clang-format, rooms, clang-tidy; ruff and mypy; make format applies the first'
	@echo 'make docs       the manual page and the tables in docs/, derived from the program; make docs-check holds them against it'
	@echo 'make scaling    1 and 2 ranks measured, 64 to 4,096 forecast; a table'
	@echo 'make bench      speed against PyTorch; table, and results/bench.json'
	@echo 'make bench-viewer the viewer on files of 50 GB: opening, brushing, memory'
	@echo 'make install    PREFIX=$(PREFIX) LIBDIR=PREFIX/lib DESTDIR= (docs/install.md)'
	@echo 'make clean      remove build/'
	@echo 'Settings: V=1 CC CFLAGS LDFLAGS ARCH CORES; where libraries are: HDF5_DIR ONEDNN_DIR RANDOM123_DIR YAML_DIR'
	@echo 'SCALAPACK_LIBS OPENBLAS_LIBS ONNX_PROTO MPI_CFLAGS MPI_LIBS PKG_CONFIG_PATH'
