#!/bin/sh
# debian-packages.sh PACKAGE...: install what is missing of Debian's packages.
# Where that is not allowed, say which are missing and how to get them; exit 1.
set -eu

missing=
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo='sudo -n'
else
    echo "These Debian packages are missing:$missing" >&2
    echo "Get them with: sudo apt-get update && sudo apt-get install$missing" >&2
    exit 1
fi

echo "Installing$missing."
$sudo apt-get update -q
# shellcheck disable=SC2086 # one word a package
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing
