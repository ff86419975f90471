# Sourced by run.sh and test.sh: makes $root/.venv hold the program, quickly where it does already.
# Uses: root (the repository). Gives: prepare EXTRAS, which leaves the environment's python in $python.

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in "${DINR_PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null || continue
        command -v "$candidate"
        return 0
    done
    say "DINR Studio needs Python 3.11 or later and found none; install it (Debian: apt-get install python3 python3-venv)."
    return 1
}

# Installs Debian packages where this user may, and says which to install where not.
system_packages() {
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] || {
        say "Please install these packages of your system first (Debian names): $*"
        return 1
    }
    say "Installing $* ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

make_environment() {
    local base
    base=$(find_python) || return 1
    "$base" -c 'import ensurepip, venv' 2>/dev/null || system_packages python3-venv || return 1
    rm -rf "$root/.venv"
    "$base" -m venv "$root/.venv" || return 1
}

prepare() {
    local extras=$1 wanted stamp="$root/.venv/dinr-studio-$1.stamp"
    python="$root/.venv/bin/python"
    wanted=$(cat "$root/pyproject.toml" "$root/packaging/constraints.txt"; echo "$root")
    if [ -x "$python" ] && "$python" -c '' 2>/dev/null && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return 0
    fi
    # An environment that was moved or whose Python is gone is made afresh.
    if ! { [ -x "$python" ] && "$python" -c '' 2>/dev/null && [ "$(cat "$root/.venv/dinr-studio.root" 2>/dev/null)" = "$root" ]; }; then
        make_environment || return 1
    fi
    echo "$root" >"$root/.venv/dinr-studio.root"
    say "Installing DINR Studio into $root/.venv (the first time takes some minutes) ..."
    local target="$root"
    [ "$extras" = none ] || target="$root[$extras]"
    "$python" -m pip install --quiet --disable-pip-version-check -c "$root/packaging/constraints.txt" -e "$target" >&2 || {
        say "The installation failed; see above. Run the command again when the cause is mended."
        return 1
    }
    printf '%s' "$wanted" >"$stamp"
}
