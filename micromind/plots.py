"""Training curves and comparisons as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHOWN = (("loss", "loss"), ("reward", "reward"), ("rewards/accuracies", "chosen over rejected"), ("mean_token_accuracy", "token accuracy"))


def _pyplot() -> Any:
    """matplotlib without a screen; late, because it takes a second to import."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def curves(history: list[dict[str, Any]], file: Path, *, title: str) -> None:
    """The Trainer's log as one picture: each figure that it has, and the learning rate."""
    pyplot = _pyplot()
    kinds = [(key, name) for key, name in (*SHOWN, ("learning_rate", "learning rate")) if any(key in entry for entry in history)]
    if not kinds:
        return
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(4.5 * len(kinds), 3.2), squeeze=False, layout="constrained")
    for axis, (key, name) in zip(axes[0], kinds, strict=True):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        axis.plot(*zip(*points, strict=True), linewidth=1.5)
        axis.set(xlabel="step", title=name)
        axis.grid(alpha=0.3)
    figure.suptitle(title)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def bars(groups: dict[str, dict[str, float]], file: Path, *, title: str, label: str) -> None:
    """Groups of bars: {what is measured: {model: value}}."""
    pyplot = _pyplot()
    models = list(dict.fromkeys(model for values in groups.values() for model in values))
    figure, axis = pyplot.subplots(figsize=(max(6.0, 0.5 * len(groups) * max(1, len(models))), 3.6), layout="constrained")
    width = 0.8 / max(1, len(models))
    for number, model in enumerate(models):
        places = [place + number * width for place in range(len(groups))]
        axis.bar(places, [values.get(model, 0.0) for values in groups.values()], width, label=model)
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(groups))], list(groups), rotation=40, ha="right", fontsize=8)
    axis.set(title=title, ylabel=label)
    axis.legend(fontsize=8)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
