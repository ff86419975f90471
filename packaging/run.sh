#!/usr/bin/env bash
# Runs DINR Studio from a checkout: makes its environment on a fresh machine, then passes all arguments on.
#   bash packaging/run.sh                       the demonstration: a real sample fitted, scored, exported, drawn
#   bash packaging/run.sh fit my.mrc -o my.dinr any command of the shell
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/packaging/environment.sh"
prepare none

studio() { "$python" -m dinr_studio "$@"; }

if [ $# -gt 0 ]; then
    exec "$python" -m dinr_studio "$@"
fi

# There is no window yet, so the whole job runs in the shell, on a display or not.
folder=dinr-studio-demo
mkdir -p "$folder"
say "The demonstration writes into $PWD/$folder; dinr-studio --help (bash packaging/run.sh --help) lists the commands."
studio sample emd-3001 -o "$folder/emd_3001.map" --force
studio fit "$folder/emd_3001.map" -o "$folder/emd_3001.dinr" --preset quick --force
studio export "$folder/emd_3001.dinr" -o "$folder/emd_3001_twice.mrc" --factor 2 --force
studio slice "$folder/emd_3001.dinr" -o "$folder/emd_3001.png" --force
