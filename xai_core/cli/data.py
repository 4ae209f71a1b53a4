"""The arguments that several commands share."""

from __future__ import annotations

import argparse
import math


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add DATA, with the formats in the epilogue."""
    from xai_core.datasets import FORMATS

    parser.add_argument("data", metavar="DATA", help="FORMAT:PATH, with options behind '?' (below)")
    lines = ["data sets:"]
    for name, described in FORMATS.items():
        lines.append(f"  {name:<10} {described.title}")
        lines += [f"             ?{option}= {help_}" for option, help_ in described.options.items()]
    parser.epilog = "\n".join([*([parser.epilog] if parser.epilog else []), *lines])


def positive_int(text: str) -> int:
    """Return a whole number above zero; argparse turns the error into a line."""
    value = int(text) if text.lstrip("-").isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return value


def price(text: str) -> float:
    """Return a number that is not below zero; argparse turns the error into a line."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no price")
    return value


def batch_size(text: str) -> int | str:
    """Return a whole number above zero, or 'auto'."""
    return text if text == "auto" else positive_int(text)


def seed(text: str) -> int:
    """Return a whole number from 0 to 2**63 - 1."""
    return _within(text, 0, 2**63 - 1)


def workers(text: str) -> int:
    """Return a whole number from 0 to 256."""
    return _within(text, 0, 256)


def folder(text: str) -> str:
    """Return the name of a folder, which is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a folder's name is not empty")
    return text


def _within(text: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")
    return value


def probability(text: str) -> float:
    """Return a number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
