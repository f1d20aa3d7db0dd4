#!/usr/bin/env bash
# Build the sdist and from it the wheel, install that with what the lock pins in a clean environment of each Python, and
# run the demo there:
#   .ci/pythons.sh python3.10 python3.11 python3.12 python3.13
# PyTorch is the build that pip takes; PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL name another.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || { echo "name the Pythons: .ci/pythons.sh python3.10 …" >&2; exit 2; }
for python in "$@"; do
    place=$work/$(basename "$python")-$RANDOM
    "$python" -m venv "$place"
    pip() { "$place/bin/pip" --quiet --disable-pip-version-check "$@"; }
    pip install --require-hashes --no-deps -r "$root/requirements.lock"
    pip install "$(grep '^torch==' "$root/requirements.txt")"
    if [ ! -d "$work/dist" ]; then
        git -C "$root" archive --prefix=source/ HEAD | tar x -C "$work"
        (cd "$work/source" && "$place/bin/python" -c "from setuptools import build_meta as b; b.build_sdist('$work/dist')")
        tar x -C "$work" -f "$work"/dist/*.tar.gz
        pip wheel --no-deps --no-build-isolation --wheel-dir "$work/dist" "$work"/sql_focus_finetune-*/
    fi
    pip install --no-deps "$work"/dist/*.whl
    pip check
    mkdir -p "$place/demo"
    (cd "$place/demo" && "$place/bin/sqlfocus" demo)
    echo "$("$place/bin/python" -V): the demo ran from the wheel"
    rm -rf "$place"
done
