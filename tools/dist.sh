#!/usr/bin/env bash
# Builds twill_VERSION.tar.gz with vendored crates from the files that git knows or would add.
#
#   tools/dist.sh [--check]      --check: also runs R CMD check --as-cran --no-manual on it
#
# Works on a copy: src/rust/vendor.tar.xz must not stay in the checkout, where it would switch
# every installation to offline mode.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/twill"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
  tar --null --files-from=- -cf - | tar -xf - -C "$work/twill"
Rscript tools/vendor.R "$work/twill/src/rust/vendor.tar.xz" 2>/dev/null

# Vignettes need an installed package: built from the registry's crates, which are compiled here.
cd "$work"
TWILL_ONLINE=true R CMD build twill
cp twill_*.tar.gz "$top/"
ls -l "$top"/twill_*.tar.gz

# The check installs as a user would: from the tarball, offline, in a folder of its own.
if [ "${1:-}" = --check ]; then
  cd "$top"
  unset TWILL_CARGO_TARGET_DIR CARGO_TARGET_DIR
  # Without CRAN an empty list stands for that of its packages, which the check reads.
  if ! Rscript -e 'invisible(tools::CRAN_package_db())' >/dev/null 2>&1; then
    mkdir -p "$work/cran/web/packages" "$work/cran/src/contrib"
    : >"$work/cran/src/contrib/PACKAGES"
    (cd "$work/cran/web/packages" && Rscript -e '
      fields <- c("Package", "Version", "License", "Maintainer", "Reverse depends", "Reverse imports", "Reverse suggests")
      saveRDS(matrix(character(), 0, length(fields), dimnames = list(NULL, fields)), "packages.rds")')
    export R_CRAN_WEB="file://$work/cran" R_CRAN_SRC="file://$work/cran"
    awk -v url="file://$work/cran" 'BEGIN { FS = OFS = "\t" } /^[A-Za-z]+\t/ { $3 = url } { print }' \
      "$(R RHOME)/etc/repositories" >"$work/repositories"
    export R_REPOSITORIES="$work/repositories" _R_CHECK_XREFS_REPOSITORIES_="file://$work/cran"
  fi
  # marginaleffects and arrow are not in Debian 12; what can be suggested is checked without them.
  _R_CHECK_CRAN_INCOMING_REMOTE_=false _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_FORCE_SUGGESTS_=false \
    R CMD check --as-cran --no-manual twill_*.tar.gz
fi
