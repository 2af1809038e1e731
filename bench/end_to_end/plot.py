"""A table as horizontal bars, drawn as SVG that reads in a light and in a dark page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

BAR, GAP, LEFT, WIDTH, RIGHT = 20, 10, 250, 460, 110
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b2733}"
    ".ours{fill:#0b6e8f}.other{fill:#8a97a3}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#4db3d6}}"
)


def bars(title: str, rows: Sequence[tuple[str, float, bool]], unit: str) -> str:
    """One bar a row.

    Args:
        rows: what is measured, its figure in ``unit``, and whether it is ours.
    """
    most = max(figure for _, figure, _ in rows)
    height = 40 + len(rows) * (BAR + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="0" y="18" font-weight="600">{escape(title)}</text>',
    ]
    for number, (name, figure, ours) in enumerate(rows):
        top = 36 + number * (BAR + GAP)
        length = max(1, round(WIDTH * figure / most))
        middle = top + BAR - 6
        kind = "ours" if ours else "other"
        lines += [
            f'<text x="0" y="{middle}">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length}" height="{BAR}" rx="3"/>',
            f'<text x="{LEFT + length + 8}" y="{middle}">{figure:,.1f} {escape(unit)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
