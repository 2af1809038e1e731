#!/bin/sh
# audit.sh PYTHON VENV: is what is installed what is pinned, byte for byte, and is
# anything known against it? The second question needs the advisories of PyPI or OSV;
# where they are out of reach it says so and leaves the answer open.
set -eu
python=$1 venv=$2
here=$(dirname "$0")
tool=$venv/audit

"$venv/bin/python" "$here/audit_installed.py" requirements.txt requirements-dev.txt

if ! [ -x "$tool/bin/pip-audit" ]; then
    "$python" -m venv "$tool"
    "$tool/bin/python" -m pip install --quiet pip-audit==2.10.1
fi
report=$("$tool/bin/pip-audit" --no-deps --disable-pip -r requirements.txt 2>&1) && found=0 || found=$?
unknown=$(printf '%s\n' "$report" | grep -c "could not be audited" || true)
case $report in
*ConnectionError* | *"Max retries"* | *"Name or service"* | *"resolve"* | *"timed out"*)
    echo "Known vulnerabilities: not asked, the advisories are out of reach from here."
    exit 0 ;;
esac
if [ "$unknown" != 0 ]; then
    echo "Known vulnerabilities: the index in use here knows no advisories for $unknown packages."
    [ "$found" != 0 ] || exit 0
fi
printf '%s\n' "$report" | grep -v "could not be audited" || true
exit "$found"
