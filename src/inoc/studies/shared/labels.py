"""Names in figures and reports."""

from __future__ import annotations


def label_of(key: str, label: str | None) -> str:
    """A label, or the key with spaces for underscores where there is none or a blank one."""
    return label if label and label.strip() else key.replace("_", " ")


def rule_name(rule: str) -> str:
    """A rule that divides rows, such as `paired lls`, with the likelihood shift as its abbreviation."""
    return rule.replace("lls", "LLS")
