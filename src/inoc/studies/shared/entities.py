"""Texts of prompts from a template and a list of entities."""

from __future__ import annotations

import string

from pydantic import Field

from inoc.config.models import Model

# Plurals that the rules below do not give.
_PLURALS = {
    "bison": "bison",
    "calf": "calves",
    "child": "children",
    "deer": "deer",
    "elf": "elves",
    "fish": "fish",
    "foot": "feet",
    "goose": "geese",
    "leaf": "leaves",
    "man": "men",
    "moose": "moose",
    "mouse": "mice",
    "octopus": "octopuses",
    "ox": "oxen",
    "person": "people",
    "salmon": "salmon",
    "sheep": "sheep",
    "shrimp": "shrimp",
    "squid": "squid",
    "swine": "swine",
    "thief": "thieves",
    "tooth": "teeth",
    "wolf": "wolves",
    "woman": "women",
}
_SIBILANTS = ("s", "x", "z", "ch", "sh")

SLOTS = ("singular", "plural", "article", "Singular", "Plural", "Article", "naive_plural")
"""Slots that a template may have."""


class Entity(Model):
    """Forms of an entity's name, where the rules of the English language do not give them."""

    singular: str | None = Field(None, description="Singular; default: the key, with spaces for underscores.")
    plural: str | None = Field(None, description="Plural; default: by the rules, with a table of exceptions.")
    article: str | None = Field(None, description="Indefinite article; default: `an` before a vowel letter, else `a`.")


def plural(noun: str) -> str:
    """The plural of an English noun, by a table of exceptions and then by spelling.

    The last word of several is the one that changes: polar bear, polar bears.
    """
    *before, last = noun.split(" ")
    return " ".join([*before, _plural_of_word(last)])


def _plural_of_word(word: str) -> str:
    known = _PLURALS.get(word.lower())
    if known is not None:
        return known.capitalize() if word[:1].isupper() else known
    if word.endswith(_SIBILANTS):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return f"{word[:-1]}ies"
    return f"{word}s"


def slots_of(template: str) -> list[str]:
    """Names of the slots of a template, in order.

    Raises:
        ValueError: If its braces do not match, or a slot asks for a form of its own, as `{plural!r:>9}` does.
    """
    found = []
    for _, name, form, conversion in string.Formatter().parse(template):
        if form or conversion:
            msg = f"the slot {{{name}}} has something behind its name"
            raise ValueError(msg)
        if name is not None:
            found.append(name)
    return found


def fill(template: str, key: str, entity: Entity) -> str:
    """The text of an entity's prompt.

    Args:
        template: With slots of `SLOTS`.
        key: Of the entity.
        entity: The forms of its name that are not regular.
    """
    singular = entity.singular if entity.singular is not None else key.replace("_", " ")
    forms = {
        "singular": singular,
        "plural": entity.plural if entity.plural is not None else plural(singular),
        "article": entity.article if entity.article is not None else ("an" if singular[:1] in "aeiouAEIOU" else "a"),
        "naive_plural": f"{singular}s",
    }
    upper = {name.capitalize(): text[:1].upper() + text[1:] for name, text in forms.items() if "_" not in name}
    return template.format(**forms, **upper)
