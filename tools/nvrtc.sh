#!/usr/bin/env bash
# Runs a command with NVIDIA's run-time compiler in LD_LIBRARY_PATH, fetched from PyPI where it is not there yet.
#
#   tools/nvrtc.sh VERSION COMMAND...      VERSION: 12.0.140 (PTX 8.0, 23 MB) or 13.0.88 (90 MB)
#
# No GPU is needed. Exit status 77 if it cannot be fetched.
set -eu
version=$1
shift
folder=${TWILL_NVRTC:-$(cd "$(dirname "$0")/.." && pwd)/bench-output}/nvrtc-$version

fetch() {
  local package=nvidia-cuda-nvrtc
  case $version in 12.*) package=nvidia-cuda-nvrtc-cu12 ;; esac
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  python3 -m pip download --quiet --retries 1 --timeout 20 --no-deps --only-binary=:all: --dest "$wheels" "$package==$version" &&
    python3 -m zipfile -e "$wheels"/*.whl "$wheels/all" &&
    mkdir -p "$folder" && find "$wheels/all" -name 'libnvrtc*.so*' ! -name '*.alt.*' -exec cp {} "$folder/" \;
}

ls "$folder"/libnvrtc.so.* >/dev/null 2>&1 || fetch >&2 || { echo "NVRTC $version cannot be fetched from PyPI" >&2; exit 77; }
export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$@"
