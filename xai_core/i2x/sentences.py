"""What a network learned of each class, in words, with the figures that carry it."""

from __future__ import annotations


def of_class(structure: dict, name: str) -> str:
    """Return a few sentences on a class of a structure: what is claimed, or that nothing is, and why.

    Supports are of raw intensity, with their 95 % interval. A prototype uncertain in another pair than the most
    confused one is named where it is so among all pairs that were looked at.
    """
    entry = next(each for each in structure["classes"] if each["class"] == name)
    if not entry["samples"]:
        return f"{name}: no sample."
    if all(step["skipped"] for step in structure["steps"]):
        return f"{name}: no step of the training can be analysed, so nothing is claimed."
    parts = [_shared(entry), _part(entry), _separation(entry), _uncertain(structure, name)]
    return f"{name} ({entry['samples']} samples): " + " ".join(part for part in parts if part)


def _shared(entry: dict) -> str:
    if entry["shared"]:
        best = sorted(entry["shared"], key=lambda role: -role["units"]["raw"]["support"])
        return f"All of it shares {_listed(best)}."
    doubtful = [str(role["prototype"]) for role in entry["in_one_unit"]]
    but = f" ({' and '.join(doubtful)} under one unit of intensity only)" if doubtful else ""
    return f"No prototype that all of it carries supports it consistently{but}."


def _part(entry: dict) -> str:
    said = (("specialised", "A subset of it is told by"), ("supporting", "Also supported by"))
    return " ".join(f"{words} {_listed(entry[role])}." for role, words in said if entry[role])


def _separation(entry: dict) -> str:
    steps: dict[tuple[int, int], list[str]] = {}
    for row in entry["separation"]:
        if row["from"] is not None:
            steps.setdefault((row["from"], row["to"]), []).append(f"{row['class']} ({-row['loss']:+.2f})")
    parts = [f"{', '.join(names)} in steps {first} to {last}" for (first, last), names in steps.items()]
    return f"What these gained was lost most by {'; then by '.join(parts)}." if parts else ""


def _uncertain(structure: dict, name: str) -> str:
    parts = []
    for place, pair in enumerate(structure["pairs"]):
        p = "p" if place == 0 else "p_of_pairs"
        sure = [row for row in pair["prototypes"] if row[p] <= structure["options"]["level"]]
        if sure and name in pair["classes"]:
            other = next(each for each in pair["classes"] if each != name)
            figures = [f"{row['prototype']} (changed sides {_times(row)}, p {row[p]:.3f})" for row in sure]
            parts.append(f"Uncertain between it and {other}: {_prototypes(figures)}.")
    return " ".join(parts)


def _times(row: dict) -> str:
    count = row["units"]["raw"]["changes"]
    return "once" if count == 1 else f"{count} times"


def _listed(roles: list[dict]) -> str:
    return _prototypes([f"{role['prototype']} (in {role['coverage']:.0%}, {_support(role)})" for role in roles])


def _prototypes(figures: list[str]) -> str:
    return f"{'prototype' if len(figures) == 1 else 'prototypes'} {', '.join(figures)}"


def _support(role: dict) -> str:
    raw = role["units"]["raw"]
    return f"{raw['support']:+.2f} [{raw['low']:+.2f}, {raw['high']:+.2f}]"
