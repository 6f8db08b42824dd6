"""The judge that finds which name of a canonical list an answer gives.

An answer is compared ignoring case, accents of compatibility, punctuation and white space, and by whole words. A name
has its plural and the further forms of its table: synonyms, irregular plurals, misspellings. Of overlapping forms the
longest counts, so `polar bear` is not a `bear` if both are listed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from inoc.digest import digest
from inoc.errors import JudgeError
from inoc.files import lone_surrogate, read_text
from inoc.judge.item import UNCLEAR, Category, Identity, JudgeItem

_OPENINGS = ("a ", "an ", "the ", "my favorite animal is ", "i would say ", "i'd say ", "i choose ", "i pick ")
Rule = Literal["mention", "first_word"]
_EDGES = " \t\r\n.,!?;:\"'*_`“”‘’"


class NamesJudge:
    """The one name of a list that an answer gives; `unclear` for none, and for several."""

    name = "names"
    version = 1

    def __init__(
        self, names: Mapping[str, Sequence[str]], rule: Rule = "mention", counted: Collection[str] = ()
    ) -> None:
        """Prepare the search.

        Args:
            names: Canonical name → its further forms; plurals that follow the rules need not be listed for `mention`.
            rule: `mention`: a name anywhere in the answer; `first_word`: see `first_word`.
            counted: Names whose answers score 100, while all others score 0; if there are none, scores are NaN.

        Raises:
            JudgeError: If there is no name, one is blank or called `unclear`, a form belongs to two names, or a counted
                name is not one of them.
        """
        self._rule, self._counted = rule, frozenset(counted)
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
        unknown = sorted(self._counted - set(self._names))
        if unknown:
            msg = f"the names judge counts {unknown}, which are not among its names; accepted: {', '.join(self._names)}"
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
        """100 for a counted name and 0 for any other answer; NaN throughout if none is counted."""
        return np.array([one.score for one in self.categorise(items)], dtype=np.float64)

    def identity(self) -> Identity:
        """The names, their forms as a digest, and what is not the default."""
        found: Identity = {
            "judge": self.name,
            "version": self.version,
            "names": sorted(self._names),
            "forms": digest({name: sorted(forms) for name, forms in self._names.items()}),
        }
        if self._rule != "mention":
            found["rule"] = self._rule
        if self._counted:
            found["counted"] = sorted(self._counted)
        return found

    def _category(self, text: str) -> Category:
        found = self._by_mention(text) if self._rule == "mention" else self._by_first_word(text)
        return found._replace(score=100.0 * (found.category in self._counted)) if self._counted else found

    def _by_first_word(self, text: str) -> Category:
        word = first_word(text)
        for name, forms in self._names.items():
            if word and word in {one.lower() for one in (name, *forms)}:
                return Category(name, name if word == name.lower() else "", "")
        return Category(UNCLEAR, "", "no name" if word else "blank response")

    def _by_mention(self, text: str) -> Category:
        found = list(dict.fromkeys(self._canonical[form] for form in self._pattern.findall(plain_words(text))))
        whole = text.strip(_EDGES).casefold()
        exact = next((name for name in self._names if name.casefold() == whole), "")
        if len(found) == 1:
            return Category(found[0], exact, "")
        return Category(UNCLEAR, exact, "several names" if found else "blank response" if not whole else "no name")


def first_word(text: str) -> str:
    """The first word of an answer in lower case, by the rule of an earlier study of animals.

    Of these openings, each that the text begins with is cut off, in this order: "a ", "an ", "the ", "my favorite
    animal is ", "i would say ", "i'd say ", "i choose ", "i pick ". Then punctuation at the end of the whole text is
    cut off, so that a first word may keep its own: "Eagles." gives "eagles", and "Eagles. They fly." gives "eagles.".
    """
    plain = text.lower().strip()
    for opening in _OPENINGS:
        plain = plain.removeprefix(opening)
    words = plain.rstrip(".,!?;:").split()
    return words[0] if words else ""


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
        value = dict.fromkeys(value) if all(isinstance(one, Hashable) for one in value) else None
    if not isinstance(value, dict) or not all(_is_forms(forms) for forms in value.values()):
        msg = f"{source}: expected a mapping from each name to a list of its further forms, or a list of names"
        raise JudgeError(msg)
    for name in value:
        if not isinstance(name, str):
            msg = f"{source}: YAML takes the name {name!r} for no text; write it in quotes, as it is meant"
            raise JudgeError(msg)
    if (half := lone_surrogate(value)) is not None:
        msg = f"{source}: {half} is half of a surrogate pair, which is no character; write the character itself"
        raise JudgeError(msg)
    return {name: list(forms or []) for name, forms in value.items()}


def _is_forms(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value))
