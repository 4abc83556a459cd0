#!/usr/bin/env bash
# Checks form: rustfmt, clippy without warnings (with and without the R binding), the arrows
# between Rust modules and between stages of R files, R style, that the site has all pages, and that generated files are up to date.
set -u
cd "$(dirname "$0")/.." || exit 1
crate=(--manifest-path src/rust/Cargo.toml)
target=(--locked --target-dir "${TWILL_CARGO_TARGET_DIR:-$PWD/src/rust/target}")
status=0

step() {
  local name=$1
  shift
  if "$@"; then echo "ok      $name"; else echo "FAILED  $name"; status=1; fi
}

step "rustfmt" cargo fmt "${crate[@]}" --check
step "clippy, core and tests" cargo clippy "${crate[@]}" "${target[@]}" --quiet \
  --no-default-features --features cuda --all-targets -- -D warnings
step "clippy, without GPUs" cargo clippy "${crate[@]}" "${target[@]}" --quiet --no-default-features --lib -- -D warnings
step "clippy, R binding" cargo clippy "${crate[@]}" "${target[@]}" --quiet --lib -- -D warnings
step "module arrows" Rscript --vanilla tools/lint-arrows.R
step "stages of R files" Rscript --vanilla tools/lint-arrows-r.R
step "R style" Rscript --vanilla tools/lint-r.R
step "pages of the site" Rscript --vanilla tools/lint-site.R
step "authors and licences" Rscript --vanilla tools/authors.R --check
step "names and addresses" Rscript --vanilla tools/identity.R --check
step "Bioconductor's rules" Rscript --vanilla tools/check-bioc.R
step "configure" tools/test-configure.sh
# The oldest Rust that DESCRIPTION promises, where rustup has it.
floor=$(sed -n 's/.*rustc >= \([0-9.]*\).*/\1/p' DESCRIPTION)
if rustup toolchain list 2>/dev/null | grep -q "^$floor"; then
  step "Rust $floor" cargo "+$floor.0" check --locked "${crate[@]}" --quiet --lib --no-default-features --features r \
    --target-dir "${TWILL_CARGO_TARGET_DIR:-$PWD/src/rust/target}/floor"
fi
exit $status
