#!/usr/bin/env bash
# Tests or times the GPU. Builds bench-output/gpu where there are the sources and a Rust; else runs the one that was brought along.
#
#   tools/gpu.sh build|test|bench
#
# On a bare machine with a driver: copy bench-output/gpu, tools/gpu.sh and bench/gpu-numpyro.py in their folders, and run this.
set -u
cd "$(dirname "$0")/.." || exit 1
program=bench-output/gpu
target=${TWILL_CARGO_TARGET_DIR:-$PWD/src/rust/target}

build() {
  mkdir -p bench-output
  cargo build --manifest-path src/rust/Cargo.toml --release --locked --no-default-features --features cuda \
    --target-dir "$target" --example gpu && cp "$target/release/examples/gpu" "$program"
}

run_sanitised() {
  local tool
  command -v compute-sanitizer >/dev/null 2>&1 || { echo "skipped: compute-sanitizer is not installed"; return 0; }
  for tool in memcheck racecheck initcheck; do
    echo "== compute-sanitizer $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$program" test --small || return 1
  done
}

peers() {
  python3 -c 'import numpyro' 2>/dev/null || { echo "skipped: python3 has no numpyro"; return 0; }
  echo "== numpyro"
  python3 bench/gpu-numpyro.py
}

if [ -f src/rust/Cargo.toml ] && command -v cargo >/dev/null 2>&1; then build || exit 1; fi
[ -x "$program" ] || { echo "There is neither a Rust to build $program nor the program itself." >&2; exit 1; }
case ${1:-test} in
  build) ls -l "$program" ;;
  test) "$program" devices && "$program" test && run_sanitised ;;
  bench) "$program" devices && "$program" bench && peers ;;
  *) echo "tools/gpu.sh build|test|bench" >&2; exit 2 ;;
esac
