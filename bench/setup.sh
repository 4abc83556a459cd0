#!/usr/bin/env bash
# Installs the peers of the benchmark: Python's into bench-output/venv, R's from Debian. What cannot be installed is
# said and left out of the run. Quick when all is there.
set -u
cd "$(dirname "$0")/.." || exit 1
venv=bench-output/venv
wanted=bench/peers/requirements.txt

say() { printf '%s\n' "$*" >&2; }

# Installed again when the list has changed.
if ! cmp -s "$wanted" "$venv/installed.txt"; then
  say "Installing nutpie, PyMC and numpyro into $venv"
  if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; then
    cp "$wanted" "$venv/installed.txt"
  else
    say "Without them: the Python peers are left out. They need Python >= 3.11 with venv, and PyPI."
  fi
fi

missing=$(Rscript --vanilla -e 'p <- c("rstanarm", "lme4", "glmmTMB", "MASS")
  cat(p[!vapply(p, function(x) nzchar(system.file(package = x)), NA)])')
[ -n "$missing" ] || exit 0
packages=$(for p in $missing; do printf 'r-cran-%s ' "$(printf %s "$p" | tr '[:upper:]' '[:lower:]')"; done)
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  say "Installing from Debian: $packages"
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null || say "Could not."
else
  say "Not installed and left out: $missing (apt-get install $packages)"
fi
exit 0
