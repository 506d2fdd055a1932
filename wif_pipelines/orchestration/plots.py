"""Small pictures for the UI, as data URIs in Markdown; they sit in the event log, so they are kept to a few kB."""

import base64
from collections.abc import Sequence

import dagster as dg

from wif_pipelines.vertex.evaluation import Evaluation, RocPoint

_SIDE, _MARGIN, _POINTS = 260, 34, 60


def roc_curve(evaluation: Evaluation) -> dg.MarkdownMetadataValue:
    """The ROC curve of an evaluation, with its area."""
    area = "" if evaluation.auc is None else f"AUC {evaluation.auc:.4f}"
    points = " ".join(
        f"{_x(p.false_positive_rate):.1f},{_y(p.true_positive_rate):.1f}" for p in _thinned(evaluation.roc)
    )
    low, high = _MARGIN, _MARGIN + _SIDE
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SIDE + 50}" height="{_SIDE + 70}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
        f'<rect x="{low}" y="{low - 14}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>'
        f'<line x1="{low}" y1="{_y(0)}" x2="{high}" y2="{_y(1)}" stroke="#bbb" stroke-dasharray="4"/>'
        f'<polyline points="{points}" fill="none" stroke="#1a73e8" stroke-width="2"/>'
        f'<text x="{high - 90}" y="{_y(0) - 10}">{area}</text>'
        f'<text x="{low + 70}" y="{_y(0) + 24}">false positive rate</text>'
        f'<text x="14" y="{_y(0.35)}" transform="rotate(-90 14 {_y(0.35)})">true positive rate</text></svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![ROC curve](data:image/svg+xml;base64,{encoded})")


def confusion_matrix(evaluation: Evaluation) -> dg.MarkdownMetadataValue:
    """Counts by true (rows) and predicted (columns) label."""
    head = "| true \\ predicted | " + " | ".join(evaluation.labels) + " |"
    rule = "|---" * (len(evaluation.labels) + 1) + "|"
    rows = [
        f"| **{label}** | " + " | ".join(map(str, counts)) + " |"
        for label, counts in zip(evaluation.labels, evaluation.confusion, strict=True)
    ]
    return dg.MetadataValue.md("\n".join([head, rule, *rows]))


def _thinned(curve: Sequence[RocPoint]) -> list[RocPoint]:
    step = max(1, len(curve) // _POINTS)
    return [*curve[::step], *curve[-1:]]


def _x(rate: float) -> float:
    return _MARGIN + rate * _SIDE


def _y(rate: float) -> float:
    return _MARGIN - 14 + (1 - rate) * _SIDE
