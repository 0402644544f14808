#!/bin/sh
# Makes .venv with exactly what uv.lock says, on a machine that has Python 3.11 and nothing else of
# ours. Called by the Makefile when pyproject.toml or uv.lock is newer than .venv/.synced.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.synced
# Either would turn uv to another environment than this project's.
unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
export UV_PYTHON_DOWNLOADS="${UV_PYTHON_DOWNLOADS:-never}" PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "mela: $*"; }
fail() {
  printf '%s\n' "mela: $*" >&2
  exit 1
}

is_python_311() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' </dev/null >/dev/null 2>&1
}

# Prints the interpreter itself: not a shim before it, nor the one of an environment that is active.
find_python() {
  for candidate in python3.11 python3 python; do
    if is_python_311 "$candidate"; then
      "$candidate" -c 'import sys; print(sys._base_executable)'
      return
    fi
  done
  if command -v uv >/dev/null 2>&1; then
    uv python find 3.11 2>/dev/null || true
  fi
}

# The version that uv.lock pins.
pinned_uv() { awk '/^name = "uv"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' uv.lock; }

# Whether the uv named by $1 is at least the pinned one: an older one may not read the lock.
new_enough() {
  found=$("$1" --version 2>/dev/null | awk '{ print $2 }')
  [ -n "$found" ] && [ "$(printf '%s\n' "$pinned" "$found" | sort -V | head -n 1)" = "$pinned" ]
}

install_uv() {
  say "installing uv $pinned into .venv"
  rm -rf .venv
  if "$python" -m venv .venv >/dev/null 2>&1; then
    .venv/bin/python -m pip install --quiet --no-input "uv==$pinned" </dev/null
  elif "$python" -m venv --without-pip .venv && "$python" -m pip --version >/dev/null 2>&1; then
    # Debian keeps ensurepip in a package of its own; any pip outside can fill the environment.
    "$python" -m pip --python .venv/bin/python install --quiet --no-input "uv==$pinned" </dev/null
  else
    rm -rf .venv
    fail "$python has neither venv nor pip: install them (on Debian: python3-venv) or install uv."
  fi
}

python=$(find_python)
[ -n "$python" ] || fail "Python 3.11 was not found: install it (python3.11 on PATH), then run make again."
pinned=$(pinned_uv)
[ -n "$pinned" ] || fail "uv.lock does not name uv: restore uv.lock from the repository."

# Scripts in .venv name its absolute path, so an environment that was moved is of no use.
if [ -d .venv ] && { [ ! -x .venv/bin/python ] || ! is_python_311 .venv/bin/python \
  || { [ -f $stamp ] && [ "$(cat $stamp)" != "$PWD" ]; }; }; then
  say "the environment in .venv was moved or broken; making it anew"
  rm -rf .venv
fi

if [ -x .venv/bin/uv ] && new_enough .venv/bin/uv; then
  uv=.venv/bin/uv
elif command -v uv >/dev/null 2>&1 && new_enough uv; then
  uv=uv
else
  install_uv
  uv=.venv/bin/uv
fi

say "bringing .venv in line with uv.lock ($("$uv" --version), $("$python" --version))"
# Given an interpreter, uv would make an existing environment anew: perhaps the one it runs from.
set -- sync --locked
[ -d .venv ] || set -- "$@" --python "$python"
# Asked for once by `make semantic`, and kept since.
[ ! -f .venv/.semantic ] || set -- "$@" --group semantic
[ -t 2 ] || set -- "$@" --quiet
"$uv" "$@" </dev/null
printf '%s\n' "$PWD" >$stamp
