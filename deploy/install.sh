#!/bin/sh
# install.sh PYTHON VENV REQUIREMENTS: make the virtual environment where it is
# missing, and install the pinned packages unless that very list is installed.
set -eu
python=$1 venv=$2 requirements=$3
installed=$venv/installed-$(basename "$requirements")

cmp -s "$requirements" "$installed" && exit 0

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! command -v "$python" >/dev/null; then
        echo "$python was not found. Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2
        exit 1
    fi
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Python 3.11 or newer is needed, and $python is $("$python" -V); name another: make PYTHON=python3.12" >&2
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$(dirname "$0")/debian-packages.sh" \
            "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    fi
    echo "Making $venv with $("$python" -V)."
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

echo "Installing $requirements."
"$venv/bin/python" -m pip install --quiet -r "$requirements"
cp "$requirements" "$installed"
