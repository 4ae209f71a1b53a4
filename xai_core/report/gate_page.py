"""A gate's result in words, and as one HTML file that needs no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from xai_core.files import write_atomic

TITLES = {
    "pass": "Pass",
    "fail_metric": "Fails by its metrics",
    "fail_explanation": "Fails by its explanations",
    "fail_both": "Fails by metrics and explanations",
    "incomplete": "Incomplete",
}
PASSED = {True: "passed", False: "failed", None: "not decided"}
FIRST = 5
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #8885; }
td { min-width: 6rem; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.passed::before { content: "\\2713\\00a0"; }
.failed::before { content: "\\2717\\00a0"; }
.undecided::before { content: "?\\00a0"; }
.failed { font-weight: 600; }
.quiet, code { font-size: .87em; } code { overflow-wrap: anywhere; }
"""


def figure_of(rule: dict) -> str:
    """Return a rule's figure with its interval, as text."""
    value, low, high = rule["figure"], rule["low"], rule["high"]
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")


def asked_of(rule: dict) -> str:
    """Return what a rule asks: which number has to keep which threshold."""
    if rule["threshold"] is None:
        return "has to be passed"
    what = {True: "upper end", False: "lower end"}[rule["at_most"]] if rule["decides"] == "bound" else "figure"
    return f"{what} at {'most' if rule['at_most'] else 'least'} {rule['threshold']:g}"


def items_of(rule: dict, first: int = FIRST) -> str:
    """Return how many items broke a rule and the first of them, '' where none did."""
    items = rule["items"]
    if not items:
        return ""
    more = " ..." if len(items) > first else ""
    return f"{len(items)} item{'s' if len(items) > 1 else ''}: {', '.join(items[:first])}{more}"


def write(result: dict, out: Path) -> Path:
    """Return `out` after writing a gate's result there as one HTML file."""
    return write_atomic(Path(out), lambda temporary: temporary.write_text(html_of(result), encoding="utf-8"))


def html_of(result: dict) -> str:
    """Return a gate's result as an HTML page: no script, nothing from elsewhere, every text escaped."""
    candidate = result["candidate"] or {"run": "no run"}
    title = f"{TITLES[result['verdict']]}: {candidate['run']}"
    rows = "".join(_row(rule) for rule in result["rules"])
    notes = _list("Missing", result["missing"]) + _list("Warnings", result["warnings"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{escape(TITLES[result['verdict']])}</h1>"
        f"<p>{escape(candidate['run'])} under the policy <q>{escape(result['policy']['name'])}</q>, "
        f"on a review set of {result['review_set']['items']} items.</p>{notes}"
        "<h2>Rules</h2><table><thead><tr><th>Rule<th>Outcome<th>Figure, 95 % interval<th>Asked</tr></thead>"
        f"<tbody>{rows}</tbody></table>{_agreement(result['people'])}"
        f"<h2>What entered</h2><table>{_entered(result)}</table></main></body></html>\n"
    )


def _row(rule: dict) -> str:
    passed = PASSED[rule["passed"]]
    shown = passed if rule["passed"] is not None else "undecided"
    below = [escape(text) for text in (rule["message"], items_of(rule, len(rule["items"]))) if text]
    more = "".join(f'<div class="quiet">{text}</div>' for text in below)
    return (
        f'<tr><td>{escape(rule["name"])}{more}<td class="{shown}">{passed}'
        f'<td class="number">{escape(figure_of(rule))}<td>{escape(asked_of(rule))}</tr>'
    )


def _list(title: str, lines: list[str]) -> str:
    items = "".join(f"<li>{escape(line)}" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if lines else ""


def _agreement(people: dict | None) -> str:
    lines = [agreement_text(pair) for pair in people["agreement"]] if people else []
    return _list("Agreement of reviewers", lines)


def agreement_text(pair: dict) -> str:
    """Return how far two reviewers agree, in a sentence."""
    kappa = pair["kappa"]
    value = kappa["reason"] if kappa["value"] is None else f"{kappa['value']:.2f}"
    within = "" if kappa["low"] is None else f" ({kappa['low']:.2f} to {kappa['high']:.2f})"
    return (
        f"{pair['first']} and {pair['second']}: the same verdict on {pair['share']:.0%} of {pair['cases']} cases, "
        f"Cohen's kappa {value}{within}"
    )


def _entered(result: dict) -> str:
    rows = [(role, result[role]) for role in ("candidate", "baseline", "review_set", "policy") if result[role]]
    lines = [(f"{role.replace('_', ' ')}: {key.replace('_', ' ')}", v) for role, of in rows for key, v in of.items()]
    lines.append(("this result: sha256", result["sha256"]))
    return "".join(f"<tr><td>{escape(key)}<td><code>{escape(str(value))}</code></tr>" for key, value in lines)
