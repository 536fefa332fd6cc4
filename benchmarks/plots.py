"""Two pictures side by side as one SVG: tokens per second over clients, and the first token over the turns of a conversation.

PYTHON_WITH_MATPLOTLIB -m benchmarks.plots RESULT.json FILE.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

Json = dict[str, Any]
PLAIN = FuncFormatter(lambda value, _: f"{value:g}" if str(value).strip("0.")[:1] in "125" else "")
"""On a logarithmic axis: 1, 2, 5, 10, 20, 50 …, and not as powers."""
GREY = "#808080"
"""Readable on white and on black, as the colours are."""
COLOURS = ("#e4572e", "#2e86de", "#7aa5d8", "#8e6bd1", "#b79ae6", "#2a9d6f", "#70b894", "#b8860b")
"""Ours first."""


def draw(result: Json, file: Path) -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "llmsite", "font.size": 9, "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY}
        | {"xtick.color": GREY, "ytick.color": GREY, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    colours = {peer["name"]: colour for peer, colour in zip(result["peers"], COLOURS, strict=False)}
    for peer in result["peers"]:
        look = {"color": colours[peer["name"]], "linewidth": 2.4 if peer["name"] == "llmsite" else 1.3, "label": peer["title"]}
        _over_clients(left, result, peer["name"], look)
        _over_turns(right, result, peer["name"], look)
    left.set(title="tokens/s, all together", xlabel="clients", xscale="log", yscale="log")
    counts = sorted({scene["clients"] for scene in result["scenes"] if scene["kind"] == "short"})
    left.set_xticks(counts, map(str, counts))
    left.xaxis.minorticks_off()
    right.set(title="first token, ms; dashed: another in between", xlabel="turn of the conversation", yscale="log")
    right.xaxis.get_major_locator().set_params(integer=True)
    for axis in (left.yaxis, right.yaxis):
        axis.set_major_formatter(PLAIN)
        axis.set_minor_formatter(PLAIN)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(file, transparent=True, metadata={"Date": None})


def _over_clients(axes: Any, result: Json, peer: str, look: Json) -> None:
    found = [scene for scene in result["scenes"] if scene["kind"] == "short" and peer in scene["figures"]]
    if found:
        axes.plot(
            [scene["clients"] for scene in found], [scene["figures"][peer]["tokens_per_s"] for scene in found], marker="o", markersize=4, **look
        )


def _over_turns(axes: Any, result: Json, peer: str, look: Json) -> None:
    """Dashed: with another conversation in between."""
    for scene in result["scenes"]:
        if scene["kind"] in ("turns", "between") and peer in scene["figures"]:
            firsts = scene["figures"][peer]["first_ms"]
            axes.plot(range(1, len(firsts) + 1), firsts, linestyle="--" if scene["kind"] == "between" else "-", **look)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
