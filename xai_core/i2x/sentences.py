"""What a network learned of each class, in words, with the figures that carry it."""

from __future__ import annotations


def of_class(structure: dict, name: str) -> str:
    """Return a few sentences on a class of a structure: what is claimed, or that nothing is, and why."""
    entry = next(each for each in structure["classes"] if each["class"] == name)
    if not entry["samples"]:
        return f"{name}: no sample."
    if all(step["skipped"] for step in structure["steps"]):
        return f"{name}: no step of the training can be analysed, so nothing is claimed."
    parts = [_shared(entry), _special(entry), _separation(entry), _uncertain(structure, name)]
    return f"{name} ({entry['samples']} samples): " + " ".join(part for part in parts if part)


def _shared(entry: dict) -> str:
    if entry["shared"]:
        best = sorted(entry["shared"], key=lambda role: -role["units"]["raw"]["support"])
        figures = ", ".join(f"{role['prototype']} ({_support(role)})" for role in best)
        least = min(role["coverage"] for role in best)
        return (
            f"Nearly all of it carries and is supported by {_prototypes(len(best))} {figures}, in {least:.0%} or more."
        )
    doubtful = [str(role["prototype"]) for role in entry["in_one_unit"]]
    but = f" ({', '.join(doubtful)} would be by one unit of intensity alone)" if doubtful else ""
    return f"No prototype that nearly all of it carries supports it consistently{but}."


def _special(entry: dict) -> str:
    if not entry["specialised"]:
        return ""
    figures = ", ".join(
        f"{role['prototype']} in {role['coverage']:.0%} ({_support(role)})" for role in entry["specialised"]
    )
    return f"Some of it is supported by {_prototypes(len(entry['specialised']))} {figures}."


def _separation(entry: dict) -> str:
    steps: dict[tuple[int, int], list[str]] = {}
    for row in entry["separation"]:
        if row["from"] is not None:
            steps.setdefault((row["from"], row["to"]), []).append(f"{row['class']} (-{row['loss']:.2f})")
    if not steps:
        return ""
    parts = [f"{', '.join(names)} in steps {first} to {last}" for (first, last), names in steps.items()]
    return f"What they gave it they took most from {', then '.join(parts)}."


def _uncertain(structure: dict, name: str) -> str:
    """Return the uncertain prototypes; outside the most confused pair they have to be so among all pairs looked at."""
    parts = []
    for place, pair in enumerate(structure["pairs"]):
        p = "p" if place == 0 else "p_of_pairs"
        sure = [row for row in pair["prototypes"] if row[p] <= structure["options"]["level"]]
        if sure and name in pair["classes"]:
            other = next(each for each in pair["classes"] if each != name)
            figures = ", ".join(
                f"{row['prototype']} ({row['units']['raw']['changes']} changes of side, p {row[p]:.3f})" for row in sure
            )
            parts.append(f"{other}: {figures}")
    return f"Uncertain between it and {'; and '.join(parts)}." if parts else ""


def _prototypes(count: int) -> str:
    return "prototype" if count == 1 else "prototypes"


def _support(role: dict) -> str:
    raw = role["units"]["raw"]
    return f"{raw['support']:+.2f}, {raw['low']:+.2f} to {raw['high']:+.2f}"
