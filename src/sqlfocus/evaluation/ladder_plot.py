"""EX against file size, one point a rung, as an SVG of its own: no script, nothing fetched, light and dark."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 800, 460
LEFT, RIGHT, TOP, BOTTOM = 62, 22, 40, 58
APART = 11
"""Points of about one size are set side by side, so many pixels apart."""
LINE = 15
"""A label's height."""
GAP = 9
"""Between a point and a label beside it."""

STYLE = """
.ladder{--ink:#1a212b;--dim:#586271;--line:#dde1e8;--ground:#fff;--whole:#586271;--quantized:#3353c9;--taken:#146c43;
font:12px system-ui,-apple-system,"Segoe UI","Noto Sans","PingFang SC","Microsoft YaHei",sans-serif}
@media(prefers-color-scheme:dark){.ladder{--ink:#e4e8ee;--dim:#9aa5b4;--line:#2e3744;--ground:#181d25;--whole:#9aa5b4;
--quantized:#8fa9ff;--taken:#6fd3a2}}
.ladder text{fill:var(--ink)}.ladder .dim{fill:var(--dim)}.ladder .ground{fill:var(--ground)}
.ladder .grid{stroke:var(--line)}.ladder .level{stroke:var(--dim);stroke-dasharray:4 4}
.ladder .lead{stroke:var(--dim);stroke-width:.7}.ladder .end{stroke-width:1.5}
.ladder .whole{fill:var(--whole);stroke:var(--whole)}.ladder .quantized{fill:var(--quantized);stroke:var(--quantized)}
.ladder .taken{fill:var(--taken);stroke:var(--taken)}.ladder text.bold{font-weight:650}
.ladder .name{paint-order:stroke;stroke:var(--ground);stroke-width:3px}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """A rung in the plot; ``role`` is ``whole``, ``quantized`` or ``taken``, size in bytes, the others 0 to 1."""

    name: str
    size: float
    ex: float
    low: float
    high: float
    role: str
    reference: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def plot(points: Sequence[Point], *, title: str) -> str:
    """The SVG of at least one point."""
    low, high = min(point.low for point in points), max(point.high for point in points)
    room = max(0.01, 0.06 * (high - low))
    low, high = max(0.0, low - room), min(1.0, high + room)
    least, most = min(point.size for point in points) / 1.2, max(point.size for point in points) * 1.35

    def across(size: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(size / least) / math.log(most / least)

    def up(ex: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (ex - low) / (high - low)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="bold" x="{LEFT}" y="22">{escape(title)}</text>',
    ]
    for ex in _even(low, high):
        parts.append(f'<path class="grid" d="M{LEFT} {up(ex):.1f}H{right}"/>')
        parts.append(f'<text class="dim" x="{LEFT - 8}" y="{up(ex) + 4:.1f}" text-anchor="end">{ex:.2f}</text>')
    for size in _sizes(least, most):
        x = across(size)
        said = f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text class="dim" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{said}</text>')
    parts.append(f'<text class="dim" x="{right}" y="{HEIGHT - 12}" text-anchor="end">file size (logarithmic)</text>')
    parts.append(
        f'<text class="dim" x="{LEFT}" y="{HEIGHT - 12}">EX with its 95 % interval; dashed: the reference</text>'
    )
    places = _side_by_side([across(point.size) for point in points])
    for point in points:
        if point.reference:
            parts.append(f'<path class="level" d="M{LEFT} {up(point.ex):.1f}H{right}"/>')
    spots = [(x, up(point.ex), up(point.high), up(point.low)) for x, point in zip(places, points, strict=True)]
    parts += [_mark(point, *spot) for point, spot in zip(points, spots, strict=True)]
    first = sorted(zip(points, spots, strict=True), key=lambda one: not _stands_out(one[0]))
    boxes = label_boxes([point.name for point, _ in first], [spot for _, spot in first])
    for (point, spot), box in zip(first, boxes, strict=True):
        parts += _label(point, spot[0], spot[1], box)
    return "".join([*parts, "</svg>\n"])


def _stands_out(point: Point) -> bool:
    return point.role == "taken" or point.reference


def _mark(point: Point, x: float, y: float, top: float, bottom: float) -> str:
    shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if point.role == "whole":
        shape = f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    ends = f"M{x - 4:.1f} {top:.1f}h8M{x:.1f} {top:.1f}V{bottom:.1f}M{x - 4:.1f} {bottom:.1f}h8"
    told = f"{point.name}: EX {point.ex:.3f} ({point.low:.3f} to {point.high:.3f}), {point.size / 1e6:,.0f} MB"
    return f'<g class="{point.role}"><title>{escape(told)}</title><path class="end" d="{ends}"/>{shape}</g>'


def _label(point: Point, x: float, y: float, box: Box) -> Iterator[str]:
    middle = (box.top + box.bottom) / 2
    near = min(max(x, box.left), box.right)
    if near != x and (abs(near - x) > GAP + 1 or abs(middle - y) > LINE + 1):
        yield f'<path class="lead" d="M{x:.1f} {y:.1f}L{near:.1f} {middle:.1f}"/>'
    kind = "name bold" if _stands_out(point) else "name"
    yield f'<text class="{kind}" x="{box.left + 2:.1f}" y="{middle + 4:.1f}">{escape(point.name)}</text>'


def label_boxes(names: Sequence[str], spots: Sequence[tuple[float, float, float, float]]) -> list[Box]:
    """Where the labels stand: near their points, on no other label or mark, and on no interval if that can be.

    The first have the choice. A spot is a point's x, its y, and the y of its interval's upper and lower end.
    """
    marks = [Box(x - 6, y - 6, x + 6, y + 6) for x, y, _, _ in spots]
    intervals = [Box(x - 3, top, x + 3, bottom) for x, _, top, bottom in spots]
    found: list[Box] = []
    for name, (x, y, top, bottom) in zip(names, spots, strict=True):
        width = 6 + sum(13.0 if unicodedata.east_asian_width(one) in "WF" else 7.8 for one in name)
        near = [
            box for box in _around(x, y, top, bottom, width) if not any(box.meets(other) for other in [*marks, *found])
        ]
        clear = (box for box in near if not any(box.meets(other) for other in intervals))
        found.append(
            next(clear, None) or (near[0] if near else Box(x + GAP, y - LINE / 2, x + GAP + width, y + LINE / 2))
        )
    return found


def _around(x: float, y: float, top: float, bottom: float, width: float) -> list[Box]:
    """Places for a label within the plot, the nearest first: beside its point, or above or below its interval."""
    found = [(20.0, x - width / 2, top - LINE - 1), (21.0, x - width / 2, bottom + 1)]
    for step in range(-24, 25):
        for gap in (GAP, 24, 48, 80, 120):
            cost = abs(step) * LINE + gap + (0 if gap == GAP and abs(step) < 2 else 30)
            found += [(cost, left, y + (step - 0.5) * LINE) for left in (x + gap, x - gap - width)]
    boxes = [Box(left, above, left + width, above + LINE) for _, left, above in sorted(found)]
    plot = Box(LEFT, TOP - LINE, WIDTH - RIGHT, HEIGHT - BOTTOM)
    return [
        box
        for box in boxes
        if box.left >= plot.left and box.right <= plot.right and box.top >= plot.top and box.bottom <= plot.bottom
    ]


def _side_by_side(places: Sequence[float]) -> list[float]:
    """Places moved as little as needed for them to lie :data:`APART`."""
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[list[float]] = []  # each: the sum of the wanted beginnings, and how many
    for rank, place in enumerate(order):
        groups.append([places[place] - rank * APART, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + count]
    starts = [total / count for total, count in groups for _ in range(int(count))]
    found = [0.0] * len(places)
    last = WIDTH - RIGHT - 6 - (len(places) - 1) * APART
    for rank, place in enumerate(order):
        found[place] = min(max(starts[rank], LEFT + 6), last) + rank * APART
    return found


def _even(low: float, high: float) -> Iterator[float]:
    """Round numbers between the two, four to nine of them."""
    step = next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / step <= 9), 0.2)
    for place in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield place * step


def _sizes(least: float, most: float) -> list[float]:
    """Round sizes between the two: 1, 2 and 5 and their tens; all of 1 to 9 where these are too few."""
    powers = [10.0**power for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]
    for digits in ((1, 2, 5), tuple(range(1, 10))):
        found = [digit * power for power in powers for digit in digits if least < digit * power < most]
        if len(found) >= 3:
            return found
    return found
