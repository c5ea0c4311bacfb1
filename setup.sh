#!/bin/sh
# Set up citylab in .venv, exactly as requirements.lock says. Does nothing when nothing changed.
#
#   sh setup.sh             set up
#   sh setup.sh lab         set up, then open JupyterLab and the dashboards
#   sh setup.sh test [...]  set up, bring a browser if there is none, then run the tests
#   sh setup.sh run CMD...  set up, then run a command of the environment
#
# PYTHON names the interpreter (python3.12). A package mirror set for uv, or for pip, is used.
set -eu
cd "$(dirname "$0")"

say() { printf 'setup.sh: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# ---- Python and uv ---------------------------------------------------------------------------------------

version_of() { "$1" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

fits() {
  case "$1" in
    3.11.* | 3.12.* | 3.13.* | 3.14.*) return 0 ;;
    *) return 1 ;;
  esac
}

find_python() {
  seen=
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    found=$(version_of "$name") || continue
    if fits "$found"; then
      PY=$name PY_VERSION=$found
      return 0
    fi
    seen="$seen $name is $found;"
  done
  if [ -z "${PYTHON:-}" ] && uv --version >/dev/null 2>&1; then
    PY=$(UV_PYTHON_DOWNLOADS=never uv python find '>=3.11,<3.15' 2>/dev/null) && PY_VERSION=$(version_of "$PY") && return 0
  fi
  die "needs Python 3.11 to 3.14, found${seen:- none;} install one, or name it: PYTHON=python3.12 sh setup.sh"
}

find_uv() {
  UV=uv
  "$UV" --version >/dev/null 2>&1 && return 0
  UV=$PWD/.uv/bin/uv
  "$UV" --version >/dev/null 2>&1 && return 0
  "$PY" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$PY cannot make environments; do: apt install python3-venv (or install uv)"
  say "getting uv into .uv"
  rm -rf .uv
  "$PY" -m venv .uv
  .uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5' ||
    die "pip could not install uv; behind a mirror do: pip config set global.index-url ADDRESS"
}

# ---- the mirror ------------------------------------------------------------------------------------------

# uv does not read what pip is told. Somebody who told pip only is served all the same.
pip_setting() { # name of the option, value of its environment variable
  if [ -n "$2" ]; then
    printf '%s\n' "$2"
  else
    printf '%s\n' "$PIP_CONFIG" |
      sed -n -e "s/^global\\.$1='\\(.*\\)'\$/\\1/p" -e "s/^install\\.$1='\\(.*\\)'\$/\\1/p" | sed 's/\\n/ /g' | tail -n 1
  fi
}

listen_to_pip() {
  [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}${UV_INDEX:-}${UV_EXTRA_INDEX_URL:-}${UV_CONFIG_FILE:-}" ] || return 0
  for config in "${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}/uv/uv.toml" /etc/uv/uv.toml; do
    [ ! -f "$config" ] || return 0
  done
  pip_python=$PY
  [ ! -x .uv/bin/python ] || pip_python=.uv/bin/python
  PIP_CONFIG=$("$pip_python" -m pip --disable-pip-version-check config list 2>/dev/null) || PIP_CONFIG=
  index=$(pip_setting index-url "${PIP_INDEX_URL:-}")
  extra=$(pip_setting extra-index-url "${PIP_EXTRA_INDEX_URL:-}")
  links=$(pip_setting find-links "${PIP_FIND_LINKS:-}")
  hosts=$(pip_setting trusted-host "${PIP_TRUSTED_HOST:-}")
  cert=$(pip_setting cert "${PIP_CERT:-}")
  none=$(pip_setting no-index "${PIP_NO_INDEX:-}")
  [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
  [ -z "$links" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$(printf '%s' "$links" | tr -s ' ' ',')}"
  [ -z "$hosts" ] || export UV_INSECURE_HOST="${UV_INSECURE_HOST:-$hosts}"
  [ -z "$cert" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
  case "$none" in 1 | [Tt]rue | [Yy]es | on) export UV_NO_INDEX=1 ;; esac
  if [ -n "$extra" ]; then
    # As pip does: any index may deliver a release. The lock's hashes say which bytes are right.
    export UV_EXTRA_INDEX_URL="$extra" UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
  fi
}

# ---- .venv -----------------------------------------------------------------------------------------------

STAMP=.venv/.citylab-stamp

# What the environment was made from, word for word. It is written last, so a broken run leaves none.
stamp() {
  printf '%s\n%s\n' "$PWD" "$1"
  cat setup.sh pyproject.toml requirements.lock
}

is_current() {
  [ -f "$STAMP" ] || return 1
  here=$(version_of .venv/bin/python) || return 1
  if [ -n "${PYTHON:-}" ]; then
    wanted=$(version_of "$PYTHON") || die "PYTHON is '$PYTHON', which does not run"
    [ "$here" = "$wanted" ] || return 1
  fi
  stamp "$here" | cmp -s - "$STAMP"
}

setup() {
  ! is_current || return 0
  find_python
  find_uv
  listen_to_pip
  export UV_PYTHON_DOWNLOADS=never
  unset VIRTUAL_ENV CONDA_PREFIX
  if [ -f "$STAMP" ] && here=$(version_of .venv/bin/python) && { [ -z "${PYTHON:-}" ] || [ "$here" = "$PY_VERSION" ]; }; then
    rm -f "$STAMP"
  else
    # No stamp: a run was broken off, and what lies there may be half a package.
    say "making .venv with Python $PY_VERSION (some minutes at the first time)"
    rm -rf .venv
    "$UV" venv --quiet --no-project --python "$PY" .venv
  fi
  # Without bytecode every first import takes twice as long or more, for ever where it may not be written later.
  UV_COMPILE_BYTECODE=1 "$UV" pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock ||
    die "packages could not be installed; behind a mirror do: pip config set global.index-url ADDRESS, then run this again"
  "$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --offline --editable . ||
    die "citylab itself could not be installed; the message above says why"
  stamp "$(version_of .venv/bin/python)" >"$STAMP.new"
  mv "$STAMP.new" "$STAMP"
  say "ready: .venv with Python $(version_of .venv/bin/python)"
}

# ---- a browser for the tests -----------------------------------------------------------------------------

has_browser() {
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    ! "$name" --version >/dev/null 2>&1 || return 0
  done
  .venv/bin/python - 2>/dev/null <<'PYTHON'
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not pathlib.Path(p.chromium.executable_path).is_file())
PYTHON
}

bring_browser() {
  ! has_browser || return 0
  as_root=
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
    say "installing chromium and Chinese fonts with apt-get"
    {
      $as_root apt-get -qq update </dev/null
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        chromium fonts-noto-cjk </dev/null
    } >/dev/null || say "apt-get could not"
    ! has_browser || return 0
  fi
  say "installing Playwright's Chromium"
  .venv/bin/python -m playwright install chromium </dev/null || say "Playwright could not"
  has_browser || say "no browser: install chromium or google-chrome. Until then browser tests are skipped, or fail in CI."
}

# ---- doors -----------------------------------------------------------------------------------------------

setup
what=${1:-}
[ $# -eq 0 ] || shift
case "$what" in
  "") ;;
  lab) exec .venv/bin/python -m citylab.lab "$@" ;;
  test)
    bring_browser
    # One process per core, at most four; files keep their order, so that browser tests come last in each.
    exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder "$@"
    ;;
  run)
    [ $# -gt 0 ] || die "run what? For example: sh setup.sh run citylab list"
    export PATH="$PWD/.venv/bin:$PATH"
    exec "$@"
    ;;
  *) die "unknown: $what. One of: lab, test, run (or nothing: set up only)" ;;
esac
