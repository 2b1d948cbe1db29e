"""The metrics and steps of a run, as lines of a table."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..alert import StepSummary
from .values import duration, format_metric, number_in

__all__ = ["Metric", "Step", "metric_line", "steps_table"]


class Metric(NamedTuple):
    """A line of the metrics table; every attribute is text, and ``trend`` "good" or "bad"."""

    name: str
    value: str
    baseline: str
    change: str
    trend: str = ""


class Step(NamedTuple):
    """A line of a run's summary.

    ``state`` is "good", "bad" or "other"; ``span`` says when the step ran, and ``left`` and
    ``width`` are the same in per cent of the run.
    """

    name: str
    status: str
    state: str
    duration: str
    reason: str
    url: str
    span: str = ""
    left: int = 0
    width: int = 0


def metric_line(name: str, metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> Metric:
    """Return a metric with its baseline and the change from it."""
    old = format_metric(baseline[name]) if name in baseline else ""
    if name not in metrics:
        return Metric(name, "not reported", old, "")
    value = format_metric(metrics[name])
    new, before = number_in(metrics[name]), number_in(baseline.get(name))
    if new is None or before is None:
        return Metric(name, value, old, "")
    return Metric(name, value, old, _change(new, before), _trend(name, new, before))


def _change(new: float, old: float) -> str:
    if not (math.isfinite(new) and math.isfinite(old)):
        return ""
    try:
        difference = new - old
        if not difference:
            return "unchanged"
        sign, arrow = ("+", "▲") if difference > 0 else ("-", "▼")
        percent = f" ({sign}{abs(difference) / abs(old):.1%})" if old else ""
    except OverflowError:
        return ""
    return f"{arrow} {sign}{format_metric(abs(difference))}{percent}"


# Which way is better is read from the name, word by word.
_LESS_IS_BETTER = frozenset(
    {"brier", "cer", "drift", "duration", "err", "error", "errors", "failures", "fnr", "fpr"}
    | {"hinge", "latency", "logloss", "loss", "mae", "mape", "misses", "missing", "ms", "mse"}
    | {"nulls", "perplexity", "rmse", "rmsle", "seconds", "smape", "wer"}
)
_MORE_IS_BETTER = frozenset(
    {"acc", "accuracy", "auc", "auprc", "auroc", "bleu", "dice", "f1", "gini", "iou", "kappa"}
    | {"map", "mcc", "mrr", "ndcg", "precision", "r2", "recall", "rouge", "score"}
    | {"sensitivity", "specificity", "throughput", "tnr", "tpr"}
)


def _trend(name: str, new: float, old: float) -> str:
    """Return whether a change is "good" or "bad", or "" where the name does not tell."""
    words = set(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    less, more = words & _LESS_IS_BETTER, words & _MORE_IS_BETTER
    if bool(less) == bool(more) or not abs(new - old) > 0:
        return ""
    return "good" if (new < old) == bool(less) else "bad"


# --- steps

_FEW, _LONGEST = 8, 3
_GOOD = frozenset({"completed", "cached", "succeeded", "success", "passed", "ok", "done"})
_BAD = frozenset({"failed", "failure", "error", "stopped", "crashed", "timeout"})


def steps_table(steps: Sequence[StepSummary], limit: int) -> tuple[list[Step], str]:
    """Return a run's steps and a note: failed ones first, then the rest, the longest last.

    Of many completed steps, the longest are named and all are counted.
    """
    given = list(islice(steps, 50_000))
    end = max((_end(step) for step in given), default=0.0)
    bad = [step for step in given if _state(step.status) == "bad"]
    other = [step for step in given if _state(step.status) == "other"]
    good = [step for step in given if _state(step.status) == "good"]
    longest = good
    if len(good) > _FEW or len(given) > limit:
        room = max(0, min(_LONGEST, limit - len(bad) - len(other)))
        longest = sorted(good, key=lambda step: -(step.seconds or 0.0))[:room]
    shown = [*bad, *other, *longest][:limit]
    notes = []
    if len(longest) < len(good):
        began = min((step.started for step in good if step.started is not None), default=None)
        took = max(map(_end, good)) - (began or 0.0)
        count = f"{len(good):,} {_status(good)}"
        notes.append(f"{count} in {duration(took)}" if began is not None else count)
        if longest:
            which = "longest is" if len(longest) == 1 else f"{len(longest)} longest are"
            notes[0] += f"; the {which} shown"
        notes[0] += "."
    if left := len(bad) + len(other) + len(longest) - len(shown) + len(steps) - len(given):
        notes.append(f"{left:,} more {'step is' if left == 1 else 'steps are'} not shown.")
    return [_line(step, end) for step in shown], " ".join(notes)


def _line(step: StepSummary, end: float) -> Step:
    left = width = 0
    span = ""
    if step.started is not None and step.seconds is not None and end > 0:
        left = min(98, int(100 * step.started / end))
        width = max(2, min(100 - left, round(100 * step.seconds / end)))
        span = f"{duration(step.started)} to {duration(_end(step))} of {duration(end)}"
    took = "" if step.seconds is None else duration(step.seconds)
    state = _state(step.status)
    return Step(step.name, step.status, state, took, step.reason, step.url, span, left, width)


def _end(step: StepSummary) -> float:
    return (step.started or 0.0) + (step.seconds or 0.0)


def _status(steps: Sequence[StepSummary]) -> str:
    words = {step.status for step in steps}
    return words.pop() if len(words) == 1 else "completed"


def _state(status: str) -> str:
    word = status.lower()
    return "good" if word in _GOOD else "bad" if word in _BAD else "other"
