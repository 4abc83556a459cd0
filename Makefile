# One command each; continuous integration calls the same targets. `make help` lists them.

# Compiled crates are kept here, so that installing, testing and linting share them.
export TWILL_CARGO_TARGET_DIR ?= $(CURDIR)/src/rust/target
export TWILL_CARGO_JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# rustup's folder first: it is often missing from the path, or behind an older Rust of the system.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CARGO = cargo
MANIFEST = --manifest-path src/rust/Cargo.toml --target-dir "$(TWILL_CARGO_TARGET_DIR)" --locked
LIBRARY ?= $(shell Rscript --vanilla tools/library.R)
INSTALL = R CMD INSTALL --no-multiarch --with-keep.source --library="$(LIBRARY)" .

.PHONY: help demo guard test test-slow setup setup-test setup-develop build install doc wrappers lint \
  format bench bench-rust bench-scale test-gpu bench-gpu ptx fuzz sbc check dist site vendor snapshots clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1@\2/p' Makefile | column -t -s @

demo: setup install ## cells of glioblastoma from counts to volcano, plots to demo-output/
	Rscript tools/demo.R

test: setup-test install ## all fast tests; ends in `N passed, N failed, N skipped`
	@tools/run-tests.sh

test-slow: setup-test install ## all tests, with the table of |z| against references
	@table=0; Rscript tools/reference-table.R || table=$$?; \
	  TWILL_SLOW=true tools/run-tests.sh && exit $$table

guard: install ## numbers of 27 fits, bit for bit: GUARD=store before code moves, and again without it after
	Rscript tools/guard.R $(or $(GUARD),check)

setup: ## what is missing to build and run (Debian)
	@tools/setup-debian.sh run

setup-test: ## and to test
	@tools/setup-debian.sh test

setup-develop: ## and to write documentation, lint and check
	@tools/setup-debian.sh develop

build: ## compile the Rust library
	$(CARGO) build --lib --release $(MANIFEST)

install: ## install the package
	$(INSTALL)

doc: wrappers ## NAMESPACE and help pages
	Rscript -e 'roxygen2::roxygenise(load_code = "source")'

wrappers: install ## R/extendr-wrappers.R from the compiled library
	Rscript tools/make_wrappers.R

lint: ## formatting, clippy, module arrows, R style
	tools/lint.sh

format: ## format the Rust code
	$(CARGO) fmt --manifest-path src/rust/Cargo.toml

bench: install ## speed against other samplers; for less, BENCH="--models sleepstudy --draws 200"
	bench/setup.sh
	Rscript bench/run.R $(BENCH)

test-gpu: ## every kernel on the GPU against the CPU: self-contained, with a driver and bench-output/gpu alone
	tools/gpu.sh test

bench-gpu: ## speed of the GPU against its memory and against this CPU, likewise
	tools/gpu.sh bench

ptx: ## the kernels as PTX, after a change of their source
	tools/nvrtc.sh 12.0.140 $(CARGO) run --release --no-default-features --features cuda $(MANIFEST) --quiet \
	  --example gpu -- ptx src/rust/src/device/kernels/kernels.ptx

fuzz: install ## random calls of every door, about 20 minutes; for less, FUZZ="--door genes --calls 100"
	Rscript tools/fuzz.R $(FUZZ)

sbc: install ## calibration of all models by all engines, with plots; for less, SBC="--models nb_slope"
	Rscript bench/sbc.R $(SBC)

bench-rust: ## time of gradients and leapfrog steps
	$(CARGO) bench --no-default-features $(MANIFEST)

bench-scale: install ## large crossed Gaussian models, lme4 beside; for less, SCALE="--sizes 100x50"
	Rscript bench/scale.R $(SCALE)

check: ## R CMD check --as-cran on the tarball that would be released
	tools/dist.sh --check

dist: ## twill_VERSION.tar.gz with vendored crates
	tools/dist.sh

site: install ## the site in site/, with its links checked; SITE=--quick leaves articles unknitted, --newer all that are up to date
	Rscript tools/site.R $(SITE)

vendor: ## only the archive of vendored crates
	Rscript tools/vendor.R

snapshots: ## accept the changed snapshots of printed text
	Rscript -e 'testthat::snapshot_accept(path = "tests/testthat")'

clean: ## remove what the build has written
	./cleanup
