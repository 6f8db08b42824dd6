"""The judge that finds which name of a canonical list an answer gives.

An answer is compared ignoring case, accents of compatibility, punctuation and white space, and by whole words. A name
has its plural and the further forms of its table: synonyms, irregular plurals, misspellings. Of overlapping forms the
longest counts, so `polar bear` is not a `bear` if both are listed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.digest import digest
from inoc.errors import JudgeError
from inoc.files import read_text
from inoc.judge.item import Identity, JudgeItem

UNCLEAR = "unclear"
_EDGES = " \t\r\n.,!?;:\"'*_`“”‘’"


class Category(NamedTuple):
    """The category of an answer. It is never a score."""

    category: str  # one of the judge's, or `unclear`
    exact: str  # the name, if it is all that the answer consists of, in any case; else empty
    reason: str  # why the category is unclear; empty if it is not


class NamesJudge:
    """The one name of a list that an answer gives; `unclear` for none, and for several."""

    name = "names"
    version = 1

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        """Prepare the search.

        Args:
            names: Canonical name → its further forms; plurals that follow the rules need not be listed.

        Raises:
            JudgeError: If there is no name, one is blank or called `unclear`, or a form belongs to two names.
        """
        self._names = {name: tuple(forms) for name, forms in names.items()}
        self._canonical: dict[str, str] = {}
        for name, forms in self._names.items():
            for form in (name, *forms):
                self._add(form, name)
        # A plural that is another name, or another's listed form, is left to that one.
        for name, forms in self._names.items():
            for form in (name, *forms):
                for plural in plurals(plain_words(form)):
                    self._canonical.setdefault(plural, name)
        if not self._names or UNCLEAR in self._names:
            msg = f"the names judge has the names {list(self._names)}; at least one is needed, and none is {UNCLEAR!r}"
            raise JudgeError(msg)
        longest_first = sorted(self._canonical, key=lambda form: (-len(form), form))
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def _add(self, form: str, name: str) -> None:
        plain = plain_words(form)
        if not plain or self._canonical.setdefault(plain, name) != name:
            owner = self._canonical.get(plain, "nothing")
            msg = f"the names judge: the form {form!r} of {name!r} is blank or also means {owner!r}; each has one name"
            raise JudgeError(msg)

    def categorise(self, items: Sequence[JudgeItem]) -> list[Category]:
        """The category of each item."""
        return [self._category(item.response) for item in items]

    def score(self, items: Sequence[JudgeItem]) -> np.ndarray:
        """NaN throughout: a name is no score."""
        return np.full(len(items), np.nan)

    def identity(self) -> Identity:
        """The names and their forms, as a digest."""
        return {
            "judge": self.name,
            "version": self.version,
            "names": sorted(self._names),
            "forms": digest({name: sorted(forms) for name, forms in self._names.items()}),
        }

    def _category(self, text: str) -> Category:
        found = list(dict.fromkeys(self._canonical[form] for form in self._pattern.findall(plain_words(text))))
        whole = text.strip(_EDGES).casefold()
        exact = next((name for name in self._names if name.casefold() == whole), "")
        if len(found) == 1:
            return Category(found[0], exact, "")
        return Category(UNCLEAR, exact, "several names" if found else "blank response" if not whole else "no name")


def plain_words(text: str) -> str:
    """The words of a text in lower case, one space between them, without punctuation and possessive endings."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.findall(r"\w+", re.sub(r"'s\b", "", plain).replace("_", " ")))


def plurals(form: str) -> list[str]:
    """The plurals that a form may have by the rules of English: `wolf` has `wolfs` and `wolves`."""
    found = [f"{form}s"]
    if re.search(r"(s|x|z|ch|sh)$", form):
        found.append(f"{form}es")
    if re.search(r"[^aeiou]y$", form):
        found.append(f"{form[:-1]}ies")
    if re.search(r"(l|ea|oa|ar)f$", form):
        found.append(f"{form[:-1]}ves")
    return found


def read_names(source: Path) -> dict[str, list[str]]:
    """The canonical names of a YAML file: a mapping from each name to the list of its further forms, or a list.

    Raises:
        JudgeError: If there is no such file, or it holds something else.
    """
    if not source.is_file():
        msg = f"there is no file of names {str(source)!r}; write one with lines such as `lion: [lioness, lionesses]`"
        raise JudgeError(msg)
    # It takes a tenth of a second to import, and only readers of files need it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe").load(read_text(source))
    except YAMLError as error:
        msg = f"{source} is not YAML: {error}"
        raise JudgeError(msg) from error
    if isinstance(value, list):
        value = dict.fromkeys(map(str, value))
    if not isinstance(value, dict) or not all(_is_forms(forms) for forms in value.values()):
        msg = f"{source}: expected a mapping from each name to a list of its further forms, or a list of names"
        raise JudgeError(msg)
    return {str(name): list(forms or []) for name, forms in value.items()}


def _is_forms(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value))
