#!/usr/bin/env bash
# Build the virtual environment from the hash-locked requirements.
# Usage: scripts/bootstrap.sh VENV
set -euo pipefail
venv=${1:?usage: scripts/bootstrap.sh VENV}

works() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

# A python on PATH may be a shim that answers for a version it cannot run: run each before believing it. Then look where
# pyenv, uv and local builds put theirs, whether or not their own command is on PATH.
find_python() {
  local name
  for name in ${BONAFIDES_PYTHON:-} python3.12 python3.13 python3.14 python3 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/*/bin/python3 \
    /usr/local/bin/python3.* /opt/*/bin/python3; do
    if works "$name"; then command -v "$name"; return; fi
  done
  if command -v pyenv >/dev/null 2>&1; then
    for name in $(pyenv versions --bare 2>/dev/null); do
      name=$(pyenv prefix "$name" 2>/dev/null)/bin/python
      if works "$name"; then echo "$name"; return; fi
    done
  fi
  echo "bonafides needs Python 3.12 or newer with the venv module, and found none." >&2
  echo "On Debian: apt-get install python3 python3-venv. Or name one: BONAFIDES_PYTHON=/path/to/python make …" >&2
  exit 1
}

if [ ! -x "$venv/bin/python" ] || ! works "$venv/bin/python"; then
  python=$(find_python)
  echo "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
fi
echo "installing the locked requirements into $venv (about a minute the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
