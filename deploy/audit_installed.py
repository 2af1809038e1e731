"""Whether the packages installed are those pinned, and their files as they were published.

``audit_installed.py REQUIREMENTS...``; exit 1 and a line for each thing that is not.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")
TOOLS = {"pip", "setuptools", "wheel"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(*files: str) -> tuple[dict[str, str], list[str]]:
    """Versions by package, and lines that pin none."""
    found, loose = {}, []
    for file in files:
        for line in Path(file).read_text().splitlines():
            line = line.partition(" #")[0].strip()
            if not line or line.startswith(("#", "-r ")):
                continue
            pin = PIN.match(line)
            if pin:
                found[normal(pin[1])] = pin[2]
            else:
                loose.append(f"{file}: no version is pinned: {line}")
    return found, loose


def changed(distribution: Distribution) -> list[str]:
    """Files that are not what the package's own record says."""
    name, wrong = distribution.metadata["Name"], []
    for file in distribution.files or []:
        if file.hash is None:
            continue
        path = Path(str(distribution.locate_file(file)))
        if not path.exists():
            wrong.append(f"{name}: gone: {file}")
            continue
        digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            wrong.append(f"{name}: changed: {file}")
    return wrong


def main() -> int:
    pinned, wrong = pins(*sys.argv[1:])
    number = 0
    for distribution in distributions():
        name = normal(distribution.metadata["Name"])
        if name in TOOLS:
            continue
        number += 1
        version = distribution.version
        if pinned.get(name) != version:
            wrong.append(f"{name}: {version} is installed, {pinned.get(name, 'none')} is pinned")
        wrong += changed(distribution)
    print("\n".join(wrong) or f"{number} packages are as pinned, and every file as published.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
