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

# The libraries of the system that Qt and OpenGL need, as SONAME:DEBIAN-PACKAGE.
window_libraries="libglib-2.0.so.0:libglib2.0-0 libEGL.so.1:libegl1 libGL.so.1:libgl1 libdbus-1.so.3:libdbus-1-3
libfontconfig.so.1:libfontconfig1 libxkbcommon.so.0:libxkbcommon0 libxcb-cursor.so.0:libxcb-cursor0
libxcb-icccm.so.4:libxcb-icccm4 libxcb-keysyms.so.1:libxcb-keysyms1 libxcb-shape.so.0:libxcb-shape0
libxkbcommon-x11.so.0:libxkbcommon-x11-0"

has_display() { [ "$(uname)" != Linux ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ]; }

# Makes sure of the libraries above, and of the programs xvfb-run needs where it is called with `xvfb`; on Linux only.
prepare_window() {
    [ "$(uname)" = Linux ] || return 0
    local known entry missing=""
    known=$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null)
    for entry in $window_libraries; do
        case "$known" in *"${entry%%:*} "*) ;; *) missing="$missing ${entry#*:}" ;; esac
    done
    if [ "${1:-}" = xvfb ]; then
        command -v xvfb-run >/dev/null 2>&1 || missing="$missing xvfb"
        command -v xauth >/dev/null 2>&1 || missing="$missing xauth"
    fi
    [ -z "$missing" ] || system_packages $missing
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
