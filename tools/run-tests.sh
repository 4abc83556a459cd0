#!/usr/bin/env bash
# Runs the tests of the Rust core and R's tests on the installed package.
#
# The last line is `N passed, N failed, N skipped`. The exit status is not zero if anything failed
# or nothing ran. TWILL_SLOW=true runs the slow tests too (see `make test-slow`).
set -u
cd "$(dirname "$0")/.." || exit 1
export NOT_CRAN=true
target=${TWILL_CARGO_TARGET_DIR:-$PWD/src/rust/target}
passed=0 failed=0 skipped=0
# With support of GPUs where configure builds it.
rustc_for_cuda=$(sed -n 's/^rustc_for_cuda <- "\(.*\)"$/\1/p' tools/config.R)
has_cuda() { printf '%s\n' "$rustc_for_cuda" "$(rustc --version | cut -d ' ' -f 2)" | sort -V -C; }
features=()
has_cuda && features=(--features cuda)
log=$(mktemp) && counts=$(mktemp) || exit 1
trap 'rm -f "$log" "$counts" "$counts.2"' EXIT

add() { passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + $3)); }

# The profile and folder of the installation, so that the crates compiled for it serve again; the
# core's own debug assertions are switched on. No R is needed or linked.
rust_tests() {
  local which=()
  [ "${TWILL_SLOW:-}" = true ] && which=(-- --include-ignored)
  # Random cases are the same ones every time, so that a run tells of the code; others by the variable.
  export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
  cargo test --manifest-path src/rust/Cargo.toml --release --locked --no-default-features \
    "${features[@]}" --no-fail-fast --target-dir "$target" --config profile.release.package.twill.debug-assertions=true \
    "${which[@]}" </dev/null 2>&1 | tee "$log"
  local status=${PIPESTATUS[0]}
  # shellcheck disable=SC2046
  add $(awk '/^test result:/ { p += $4; f += $6; s += $8 } END { print p + 0, f + 0, s + 0 }' "$log")
  # Failed without a failed test: it did not compile, or a test took the process down.
  [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || add 0 1 0
}

# Every kernel with NVRTC, for two generations of GPUs and by the oldest and a new compiler; by the program that the Rust
# tests have built.
kernel_tests() {
  local version
  if ! has_cuda; then
    echo "Skipped: kernels by NVRTC (rustc is older than $rustc_for_cuda)"
    add 0 0 2
    return
  fi
  for version in 12.0.140 13.0.88; do
    tools/nvrtc.sh "$version" "$target/release/examples/gpu" compile sm_80 sm_90 </dev/null
    case $? in
      0) add 1 0 0 ;;
      77) echo "Skipped: kernels by NVRTC $version (PyPI cannot be reached)"; add 0 0 1 ;;
      *) add 0 1 0 ;;
    esac
  done
}

# What a script starts in the background ignores Ctrl-C, which tests of interrupts send themselves; elsewhere they are skipped.
hearing=()
env --default-signal=INT true 2>/dev/null && hearing=(env --default-signal=INT)

# In two processes side by side; what the second says comes after the first.
r_tests() {
  : >"$counts"
  : >"$counts.2"
  "${hearing[@]}" Rscript tools/run-tests.R "$counts.2" 2 2 </dev/null >"$log" 2>&1 &
  "${hearing[@]}" Rscript tools/run-tests.R "$counts" 1 2 </dev/null
  wait
  cat "$log"
  local part
  for part in "$counts" "$counts.2"; do
    # Nothing written: R itself went down.
    # shellcheck disable=SC2046
    if [ -s "$part" ]; then add $(cat "$part"); else add 0 1 0; fi
  done
}

echo "== Rust core"
rust_tests
echo "== Kernels of GPUs"
kernel_tests
echo "== R package"
r_tests
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
