"""What was measured, as a table and as a picture, in benches/RESULTS.md."""

import datetime
import os
import platform
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
RESULTS, PLOT = BENCHES / "RESULTS.md", BENCHES / "results.svg"
MARK = "<!-- what `make bench-peers` measured; it writes below this line -->\n"
PEERS = {"eager": "PyTorch eager", "compiled": "torch.compile", "naive": "naive ONNX"}

HEADER = (
    "| network | layer | size | threads | ours, ms | limit, ms | ours ÷ limit | eager ÷ ours | compiled ÷ ours | naive ÷ ours |\n"
    + "| --- " * 10 + "|\n"
)


def as_line(row):
    ratio = lambda name: f"**{row['ratios'][name]:.2f}**" if name in row["ratios"] else ""
    ours = row["times"]["ours"]
    cells = [row["network"], row["layer"], row["size"], row["threads"], f"{ours:.1f}", f"{row['limit']:.1f}",
             f"{ours / row['limit']:.2f}", *map(ratio, PEERS)]
    return "| " + " | ".join(map(str, cells)) + " |"


def write(rows):
    import onnxruntime
    import torch

    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    features = next((l.split() for l in open("/proc/cpuinfo") if l.startswith("flags")), [])
    widest = next((name for name in ("avx512f", "avx2") if name in features), "neither AVX2 nor AVX-512")
    text = RESULTS.read_text().split(MARK)[0] + MARK
    text += f"\n{datetime.date.today()}, {cpu} ({widest}), {os.cpu_count()} processors, ONNX Runtime {onnxruntime.__version__}, "
    text += f"PyTorch {torch.__version__}; {min(r['turns'] for r in rows)} turns or more a row, load average at the end "
    text += f"{os.getloadavg()[0]:.1f}.\n\n![How much faster than each peer](results.svg)\n\n"
    text += HEADER + "\n".join(map(as_line, rows)) + "\n\nFrom one thread to two:\n\n" + scaling(rows)
    RESULTS.write_text(text)
    PLOT.write_text(plot(rows))


def scaling(rows):
    lines = ["| network | layer | size | ours | eager |", "| --- | --- | --- | --- | --- |"]
    key = lambda row: (row["network"], row["layer"], row["size"])
    for one in (row for row in rows if row["threads"] == 1):
        two = next((row for row in rows if key(row) == key(one) and row["threads"] == 2), None)
        if two:
            times = [one["times"][name] / two["times"][name] for name in ("ours", "eager")]
            lines.append(f"| {one['network']} | {one['layer']} | {one['size']} | {times[0]:.2f} | {times[1]:.2f} |")
    return "\n".join(lines) + "\n"


def plot(rows):
    """Bars of each peer's time over ours, for the rows in which all took part."""
    rows = [row for row in rows if "compiled" in row["ratios"]]
    colours = {"eager": "#c2542d", "compiled": "#d9a441", "naive": "#7a8c3a", "limit": "#4a6fa5"}
    bar, gap, left, width = 13, 14, 310, 480
    values = lambda row: {**{name: row["ratios"][name] for name in PEERS}, "limit": row["limit"] / row["times"]["ours"]}
    longest = max(value for row in rows for value in values(row).values())
    scale = width / longest
    parts, y = [], 52
    for x, (name, label) in enumerate({**PEERS, "limit": "limit"}.items()):
        parts.append(f'<rect x="{20 + 150 * x}" y="12" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(f'<text x="{38 + 150 * x}" y="22">{label}</text>')
    for row in rows:
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        parts.append(f'<text x="{left - 10}" y="{y + 2.4 * bar}" text-anchor="end">'
                     f'{row["network"]} {row["layer"]}, {row["size"]}, {threads}</text>')
        for name, value in values(row).items():
            parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.1f}" height="{bar - 2}" fill="{colours[name]}"/>')
            parts.append(f'<text x="{left + value * scale + 5:.1f}" y="{y + bar - 4}">{value:.2f}</text>')
            y += bar
        y += gap
    line = left + scale
    parts.append(f'<line x1="{line:.1f}" y1="40" x2="{line:.1f}" y2="{y}" stroke="#222" stroke-dasharray="3 3"/>')
    parts.append(f'<text x="{line:.1f}" y="{y + 14}" text-anchor="middle">ours</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 60}" height="{y + 26}" font-family="sans-serif" '
        f'font-size="11" fill="#222"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"
    )
