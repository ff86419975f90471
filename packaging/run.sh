#!/usr/bin/env bash
# Runs DINR Studio from a checkout: makes its environment on a fresh machine, then passes all arguments on.
#   bash packaging/run.sh                       the window with a sample open; without a display the same job in the
#                                               shell: a real sample fitted, scored, exported, drawn
#   bash packaging/run.sh my.mrc                the window with a file open
#   bash packaging/run.sh fit my.mrc -o my.dinr any command of the shell
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/packaging/environment.sh"
prepare all

studio() { "$python" -m dinr_studio "$@"; }

if [ $# -gt 0 ]; then
    ! has_display || prepare_window || true # a command of the shell needs none of it, and a window says what it lacks
    exec "$python" -m dinr_studio "$@"
fi

if has_display; then
    prepare_window
    exec "$python" -m dinr_studio sample:emd-3001
fi

folder=dinr-studio-demo
mkdir -p "$folder"
say "There is no display, so the job runs in the shell; it writes into $PWD/$folder (bash packaging/run.sh --help lists the commands)."
studio sample emd-3001 -o "$folder/emd_3001.map" --force
studio fit "$folder/emd_3001.map" -o "$folder/emd_3001.dinr" --preset quick --force
studio export "$folder/emd_3001.dinr" -o "$folder/emd_3001_twice.mrc" --factor 2 --force
studio slice "$folder/emd_3001.dinr" -o "$folder/emd_3001.png" --force
