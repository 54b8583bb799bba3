"""Draws the dashboards of real series, where no Grafana is at hand: python pictures.py PROMETHEUS START END FOLDER

Each panel's questions are put to the Prometheus at this URL, for the time from START to END (seconds since 1970), one point a second. Each dashboard
becomes FOLDER/NAME.svg, in the places of its JSON; a browser makes a PNG of it."""

import html
import json
import pathlib
import re
import sys
import urllib.parse
import urllib.request

CELL, GAP, TITLE = (52, 24), 8, 22
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#37872d", "#fade2a", "#c4162a"]
UNITS = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
MOST_IN_LEGEND = 6


def shown(value, unit):
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        for size, name in [(86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")]:
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return "0 s"
    for size, name in UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g}"


def text(x, y, words, size=11, colour="#ccccdc", anchor="start", weight="normal"):
    words = html.escape(words)
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def called(legend, labels):
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend) or "value"


def numbers(series):
    points = [(float(at), float(value)) for at, value in series["values"]]
    return [(at, value) for at, value in points if value == value and abs(value) != float("inf")]


def lines_of(panel, answers):
    lines = []
    for target, series in zip(panel["targets"], answers, strict=True):
        for one in series:
            points = numbers(one)
            if points:
                lines.append((called(target["legendFormat"], one["metric"]), points))
    return lines


def stacked(lines):
    sums, result = {}, []
    for name, points in lines:
        points = [(at, value + sums.get(at, 0.0)) for at, value in points]
        sums.update(points)
        result.append((name, points))
    return result


def chart(panel, answers, x, y, width, height):
    defaults = panel["fieldConfig"]["defaults"]
    unit, lines = defaults.get("unit", ""), lines_of(panel, answers)
    if defaults.get("custom", {}).get("stacking"):
        lines = stacked(lines)
    if not lines:
        return [text(x + width / 2, y + height / 2, "no data", anchor="middle")]
    left, right, top, bottom = x + 52, x + width - 10, y + TITLE + 8, y + height - 36
    times = [at for _, points in lines for at, _ in points]
    first, last = min(times), max(max(times), min(times) + 1)
    most = max(value for _, points in lines for _, value in points)
    limit = defaults.get("max")
    most = limit if limit and most <= limit else (most * 1.05 if most > 0 else 1)
    place = lambda at, value: (left + (at - first) / (last - first) * (right - left), bottom - max(value, 0) / most * (bottom - top))
    parts = []
    for step in range(4):
        value = most * step / 3
        level = place(first, value)[1]
        parts.append(f'<line x1="{left}" x2="{right}" y1="{level:.1f}" y2="{level:.1f}" stroke="#2c2f36"/>')
        parts.append(text(left - 5, level + 4, shown(value, unit), 9, "#9fa7b3", "end"))
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
    beside = left
    for number, (name, _) in enumerate(lines[:MOST_IN_LEGEND]):
        length = 14 + 5.2 * len(name)
        if beside + length > right + 20:
            break
        parts.append(f'<rect x="{beside:.1f}" y="{y + height - 18}" width="9" height="3" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(text(beside + 12, y + height - 13, name, 9, "#9fa7b3"))
        beside += length + 6
    for at, anchor in [(first, "start"), (last, "end")]:
        parts.append(text(place(at, 0)[0], bottom + 12, f"{at - first:.0f} s", 9, "#9fa7b3", anchor))
    return parts


def number(panel, answers, x, y, width, height):
    defaults = panel["fieldConfig"]["defaults"]
    series = [numbers(one) for answer in answers for one in answer]
    values = [points[-1][1] for points in series if points]
    value = values[0] if values else 0.0
    colour = "green"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    colour = {"green": "#73bf69", "red": "#f2495c"}[colour]
    return [text(x + width / 2, y + height / 2 + 18, shown(value, defaults.get("unit", "")), 30, colour, "middle", "bold")]


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def draw(dashboard, answers):
    parts, lowest = [], 0
    for panel in panels_of(dashboard):
        at = panel["gridPos"]
        x, y = GAP + at["x"] * CELL[0], GAP + 30 + at["y"] * CELL[1]
        width, height = at["w"] * CELL[0] - GAP, at["h"] * CELL[1] - GAP
        lowest = max(lowest, y + height)
        if panel["type"] == "row":
            parts.append(text(x + 4, y + 14, panel["title"], 13, weight="bold"))
            continue
        parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" fill="#181b1f" stroke="#2c2f36"/>')
        parts.append(text(x + 10, y + 17, panel["title"], 12, weight="bold"))
        kind = chart if panel["type"] == "timeseries" else number
        parts += kind(panel, answers[panel["title"]], x, y, width, height)
    size = (24 * CELL[0] + GAP, lowest + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-family="DejaVu Sans, sans-serif">'
    back = f'<rect width="{size[0]}" height="{size[1]}" fill="#111217"/>'
    return "\n".join([head, back, text(GAP + 4, 24, dashboard["title"], 16, weight="bold"), *parts, "</svg>"])


def asked(prometheus, times, panel):
    for target in panel.get("targets", []):
        query = target["expr"].replace("$__rate_interval", "30s").replace("$job", ".+")
        form = urllib.parse.urlencode({"query": query, "start": times[0], "end": times[1], "step": 1})
        with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{form}") as answer:
            yield json.load(answer)["data"]["result"]


if __name__ == "__main__":
    prometheus, *times, folder = sys.argv[1:]
    for file in sorted((pathlib.Path(__file__).parent / "dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        answers = {panel["title"]: list(asked(prometheus, times, panel)) for panel in panels_of(dashboard)}
        (pathlib.Path(folder) / f"{file.stem}.svg").write_text(draw(dashboard, answers))
