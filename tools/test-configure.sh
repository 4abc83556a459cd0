#!/usr/bin/env bash
# What configure does where something is missing or unusual: each case must work, or stop with advice.
#
#   tools/test-configure.sh            a line per case; exit status 1 if one fails
#
# Nothing is compiled: each case has a copy of what configure reads, in a folder of its own.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
R_HOME=$(R RHOME)
export R_HOME
real_cargo=$(dirname "$(command -v cargo || echo "$HOME/.cargo/bin/cargo")")
rust_home=${RUSTUP_HOME:-$HOME/.rustup}
failed=0

# copy FOLDER: what configure reads.
copy() {
  mkdir -p "$1/src" "$1/tools"
  cp "$top/configure" "$top/DESCRIPTION" "$1/"
  cp "$top/src/Makevars.in" "$top/src/Makevars.win.in" "$1/src/"
  cp "$top/tools/config.R" "$top/tools/msrv.R" "$top/tools/vendor-targets.txt" "$1/tools/"
}

# toolchain FOLDER VERSION: programs that only know their version.
toolchain() {
  mkdir -p "$1"
  for tool in cargo rustc; do
    printf '#!/bin/sh\necho "%s %s"\n' "$tool" "$2" > "$1/$tool"
    chmod +x "$1/$tool"
  done
}

# case_of NAME FOLDER STATUS PATTERN VARIABLE=VALUE...: runs configure there with no other settings than these, and looks for the
# pattern in what it prints and in the Makevars that it writes.
case_of() {
  local name=$1 folder=$2 status=$3 pattern=$4 got=0 text
  shift 4
  copy "$folder"
  text=$(cd "$folder" && env -i R_HOME="$R_HOME" LANG=C.UTF-8 "$@" sh ./configure 2>&1) || got=$?
  [ -f "$folder/src/Makevars" ] && text="$text
$(cat "$folder/src/Makevars")"
  if [ "$got" = "$status" ] && printf '%s' "$text" | grep -qE -- "$pattern"; then
    printf 'ok      %s\n' "$name"
  else
    printf 'FAILED  %s: status %s, wanted %s and /%s/ in\n%s\n' "$name" "$got" "$status" "$pattern" "$text"
    failed=1
  fi
}

system=/usr/bin:/bin
rust="RUSTUP_HOME=$rust_home"
floor=$(sed -n 's/.*rustc >= \([0-9.]*\).*/\1/p' DESCRIPTION)
toolchain "$work/old" 1.63.0
toolchain "$work/new" "$floor.0"
toolchain "$work/with space/bin" "$floor.0"
mkdir "$work/home"

case_of "no cargo" "$work/a" 1 "needs cargo and rustc >= $floor.*|rustup.rs" PATH="$work/none:$(dirname "$(command -v sed)")" \
  HOME="$work/home"
case_of "an old rustc" "$work/b" 1 "rustc 1.63.0" PATH="$work/old:$system" HOME="$work/home"
case_of "the floor itself, without GPUs" "$work/c" 0 "--locked .* --no-default-features --features r" PATH="$work/new:$system" \
  HOME="$work/home"
case_of "an old rustc before a new one in ~/.cargo/bin" "$work/d" 0 "Using rustc" PATH="$work/old:$system" \
  HOME="$work/home2" CARGO_HOME="$(dirname "$real_cargo")" "$rust"
case_of "a home that cannot be written" "$work/e" 0 'CARGO_HOME="\$\(CURDIR\)/.cargo"' PATH="$work/new:$system" \
  HOME=/proc/nowhere
case_of "no home" "$work/f" 0 "Using rustc" PATH="$work/new:$system"
case_of "a path with spaces" "$work/a folder/twill" 0 "Using rustc" PATH="$work/new:$system" HOME="$work/home"
case_of "cargo and target in paths with spaces" "$work/g" 0 "target-dir=\"$work/my target\"" PATH="$system" HOME="$work/home" \
  CARGO="$work/with space/bin/cargo" TWILL_CARGO_TARGET_DIR="$work/my target"
case_of "LC_ALL=C" "$work/h" 0 "Using rustc" PATH="$work/new:$system" HOME="$work/home" LC_ALL=C
case_of "LC_ALL=C, no cargo" "$work/i" 1 "needs cargo" PATH="$work/none:$(dirname "$(command -v sed)")" HOME="$work/home" LC_ALL=C
exit $failed
