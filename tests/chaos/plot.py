"""A page with plots as inline SVG: readings over time, the fitted line, and marks."""

import html

WIDTH, HEIGHT = 900, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 30, 12, 28
STYLE = """
  body { font: 14px/1.45 system-ui, sans-serif; margin: 24px auto; max-width: 920px; color: #1c2330;
         background: #fff; padding: 0 12px }
  h1 { font-size: 20px } h2 { font-size: 15px; margin: 22px 0 4px }
  svg { width: 100%; height: auto; border: 1px solid #d8dde6; border-radius: 4px }
  text { font: 11px system-ui, sans-serif; fill: #5a6474 }
  table { border-collapse: collapse; margin: 8px 0 }
  td, th { padding: 2px 14px 2px 0; text-align: left }
  .met { color: #15703a } .missed { color: #b3261e; font-weight: 600 }
"""


def steps(low, high, most=6):
    """Round values from `low` to `high` for an axis."""
    span = max(high - low, 1e-9)
    size = 10 ** (len(str(int(span))) - 1) if span >= 1 else 0.1
    while span / size > most:
        size *= 2 if str(size)[0] != "2" else 2.5
    first = int(low / size) * size
    values = []
    while first <= high + size * 0.01:
        if first >= low - size * 0.01:
            values.append(first)
        first += size
    return values


def number(value):
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.3g}"


class Plot:
    """`points` are (seconds, value); `line` (from, to, value there, value there) or None; `marks`
    (seconds, name) stand as ticks below.
    """

    def __init__(self, points, line=None, marks=(), unit=""):
        self.points, self.line, self.marks, self.unit = points, line, marks, unit
        values = [value for _, value in points] or [0]
        pad = max((max(values) - min(values)) * 0.15, max(values) * 0.02, 1)
        self.low, self.high = max(0, min(values) - pad), max(values) + pad
        self.end = max((at for at, _ in points), default=1) or 1

    def x(self, at):
        return LEFT + (WIDTH - LEFT - RIGHT) * at / self.end

    def y(self, value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)

    def svg(self):
        parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
        for value in steps(self.low, self.high):
            y = self.y(value)
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                         f'stroke="#edf0f4"/><text x="{LEFT - 6}" y="{y + 4:.1f}" '
                         f'text-anchor="end">{number(value)}{self.unit}</text>')
        in_minutes = self.end >= 240
        scale = 60 if in_minutes else 1
        for value in steps(0, self.end / scale, 12):
            x = self.x(value * scale)
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
                         f'{number(value)}{" min" if in_minutes else " s"}</text>')
        for at, name in self.marks:
            x = self.x(at)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT - BOTTOM}" '
                         f'y2="{HEIGHT - BOTTOM - 7}" stroke="#c58a1a"><title>{html.escape(name)}'
                         '</title></line>')
        track = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in self.points)
        parts.append(f'<polyline points="{track}" fill="none" stroke="#2f5fb3" '
                     'stroke-width="1.4"/>')
        if self.line:
            begin, end, first, last = self.line
            parts.append(f'<line x1="{self.x(begin):.1f}" y1="{self.y(first):.1f}" '
                         f'x2="{self.x(end):.1f}" y2="{self.y(last):.1f}" stroke="#b3261e" '
                         'stroke-width="1.6" stroke-dasharray="6 4"/>')
        return "".join(parts) + "</svg>"


def page(title, introduction, sections, rows):
    """`sections`: (heading, Plot); `rows`: (what, figure, bound, whether it is met)."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
             f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{html.escape(introduction)}"
             "<table><tr><th>what<th>figure<th>bound<th></tr>"]
    for what, figure, bound, is_met in rows:
        word = "met" if is_met else "missed"
        parts.append(f"<tr><td>{html.escape(what)}<td>{html.escape(figure)}<td>"
                     f"{html.escape(bound)}<td class={word}>{word}</tr>")
    parts.append("</table>")
    for heading, plot in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>{plot.svg()}")
    return "\n".join(parts) + "\n"
