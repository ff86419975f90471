#!/usr/bin/env bash
# Runs all checks: ruff, mypy, import-linter, then the test suite. Arguments go to pytest; --cov measures coverage, which takes longer.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/packaging/environment.sh"
prepare all,test
prepare_window xvfb
cd "$root"
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
bin="$root/.venv/bin"

say "ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .
say "mypy"
"$python" -m mypy
say "import-linter"
"$bin/lint-imports"
say "pytest"
screen=()
if [ "$(uname)" = Linux ]; then # a screen of their own: 3D needs X, and nothing pops up on the developer's
    screen=(xvfb-run -a -s "-screen 0 1920x1080x24")
fi
exec "${screen[@]}" "$python" -m pytest -n 2 --dist loadfile "$@"
