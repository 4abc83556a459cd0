#!/usr/bin/env bash
# Installs from Debian what is missing to build, run and test the package, and nothing else.
#
#   tools/setup-debian.sh [run|test|develop]     run: the package; test: and its tests;
#                                                develop: and documentation, lint, R CMD check
# Quiet and quick when nothing is missing. Needs root or sudo only when something is. Where the
# system is not Debian (or a relative), says what is needed.
set -u
cd "$(dirname "$0")/.." || exit 1
level=${1:-run}

# --- what is missing -------------------------------------------------------------------------
programs="Rscript:r-base-core gcc:gcc make:make xz:xz-utils"
# c++ and pip: the kernels of GPUs run on the CPU, and are compiled by NVRTC from PyPI.
[ "$level" = run ] || programs="$programs c++:g++ python3:python3 pip3:python3-pip"
# dpkg-dev: Debian's RcppParallel, which brms and, in Debian 13, rstantools load, calls dpkg-architecture without depending on it.
if command -v dpkg >/dev/null 2>&1; then
  programs="$programs dpkg-architecture:dpkg-dev"
fi
[ "$level" = develop ] && programs="$programs pandoc:pandoc qpdf:qpdf tidy:tidy checkbashisms:devscripts"

missing_programs() {
  for pair in $programs; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair##*:}"
  done
  echo 'int main(void) { return 0; }' | gcc -xc - -o /dev/null 2>/dev/null || echo libc6-dev
}

# Packages named in a field of DESCRIPTION, one a line, without versions and R's own.
described() {
  awk -v field="$1:" '$1 == field { on = 1; $1 = "" } /^[^ ]/ && $1 != field { if ($1 ~ /:$/) on = 0 }
    on { print }' DESCRIPTION | tr ',' '\n' | sed 's/(.*//; s/[[:space:]]//g' |
    grep -vxE 'compiler|datasets|graphics|grDevices|grid|methods|parallel|splines|stats|tools|utils|' || true
}

r_packages() {
  described Imports
  [ "$level" = run ] || described Suggests | grep -vxE 'knitr|rmarkdown'
  [ "$level" = develop ] && printf '%s\n' knitr rmarkdown roxygen2 lintr
}

missing_r_packages() {
  if ! command -v Rscript >/dev/null 2>&1; then r_packages; return; fi
  # shellcheck disable=SC2046
  Rscript --vanilla -e 'p <- commandArgs(TRUE)
    cat(p[!vapply(p, function(x) nzchar(system.file(package = x)), NA)], sep = "\n")' \
    $(r_packages)
}

rust_is_there() {
  PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin" command -v cargo >/dev/null 2>&1
}

# --- what to do about it ---------------------------------------------------------------------
say() { printf '%s\n' "$*" >&2; }

is_debian() {
  [ -r /etc/os-release ] && command -v apt-get >/dev/null 2>&1 &&
    grep -qE '^ID(_LIKE)?=.*debian' /etc/os-release
}

# An R that did not come from Debian does not see Debian's R packages.
r_is_from_debian() {
  ! command -v R >/dev/null 2>&1 || dpkg -S "$(readlink -f "$(command -v R)")" >/dev/null 2>&1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else return 1
  fi
}

# Debian's name of an R package: from CRAN or from Bioconductor, as far as apt knows.
debian_name() {
  lower=$(printf %s "$1" | tr '[:upper:]' '[:lower:]')
  if apt-cache show "r-bioc-$lower" >/dev/null 2>&1; then echo "r-bioc-$lower"; else echo "r-cran-$lower"; fi
}

has_candidate() { apt-cache policy "$1" 2>/dev/null | grep -q '^ *Candidate: [0-9]'; }

# Without those suggested packages that this Debian does not have, as far as apt knows its packages yet: their tests are skipped.
without_unavailable() {
  if ! has_candidate r-base-core; then printf '%s\n' "$@"; return; fi
  imports=" $(described Imports | tr '\n' ' ') "
  for package in "$@"; do
    case $imports in *" $package "*) echo "$package"; continue ;; esac
    if has_candidate "$(debian_name "$package")"; then echo "$package"; else unavailable="${unavailable:-} $package"; fi
  done
  [ -z "${unavailable:-}" ] || say "Not in this Debian, so that what needs them is skipped:$unavailable"
}

# Debian 13 has a rustc that is new enough; of Debian 12's two it is the one for browsers.
rust_packages() {
  candidate=$(apt-cache policy rustc 2>/dev/null | sed -n 's/^ *Candidate: //p')
  if dpkg --compare-versions "${candidate:-0}" ge 1.85; then echo "cargo rustc"; else echo "cargo-web rustc-web"; fi
}

apt_install() {
  say "Installing from Debian: $*"
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    </dev/null >"$log" 2>&1
  status=$?
  [ $status -eq 0 ] || { tail -n 20 "$log" >&2; say "Could not install. As root: apt-get install $*"; }
  rm -f "$log"
  return $status
}

explain() {
  say "This system is not Debian, or its R does not come from Debian. Please install:"
  [ -z "$system" ] || say "  - programs (Debian's names): $system"
  [ -z "$packages" ] || say "  - R packages: install.packages(c($(printf '"%s", ' $packages | sed 's/, $//')))"
  rust_is_there || say "  - Rust 1.85 or newer: https://rustup.rs"
}

system=$(missing_programs | tr '\n' ' ' | sed 's/ *$//')
packages=$(missing_r_packages | tr '\n' ' ' | sed 's/ *$//')
if [ -z "$system$packages" ] && rust_is_there; then exit 0; fi
if ! is_debian || ! r_is_from_debian; then explain; exit 1; fi

# shellcheck disable=SC2086
if [ -n "$packages" ]; then packages=$(without_unavailable $packages | tr '\n' ' ' | sed 's/ *$//'); fi
if [ -z "$system$packages" ] && rust_is_there; then exit 0; fi

# What it knows no more, or not yet, is told by the installation.
as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1
# shellcheck disable=SC2086
if [ -n "$packages" ]; then packages=$(without_unavailable $packages 2>/dev/null | tr '\n' ' ' | sed 's/ *$//'); fi
wanted=$system
for package in $packages; do wanted="$wanted $(debian_name "$package")"; done
rust_is_there || wanted="$wanted $(rust_packages)"
# shellcheck disable=SC2086
apt_install $wanted
