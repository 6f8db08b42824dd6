"""Training examples of the runs: each behind its run's prefix, without those that are too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from inoc.chat.fit import Fitted
from inoc.chat.messages import Asked, Chat, Turn, compose, prefix_texts, turns_of_text
from inoc.chat.pools import Pools
from inoc.chat.rows import BadRow, ChatRow
from inoc.config.models import AnswerSpec
from inoc.engines.fit import fit
from inoc.engines.identity import ModelIdentity
from inoc.generate.instructions import given_examples
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.runs import Run, framing, prompt_texts, study_runs
from inoc.studies.inoculation.study import Study
from inoc.tables import kept_examples

Example = tuple[str, tuple[Turn, ...], str]
"""Instruction, earlier exchanges and completion."""


class Trained:
    """Training examples of the runs of a study.

    Args:
        study: The study.
        paths: Its results.
        model: The model, whose context limits the length of examples.
        pools: Rephrasings of the prompts.
    """

    def __init__(self, study: Study, paths: Paths, model: ModelIdentity, pools: Pools) -> None:
        self._study, self._paths, self._model, self._pools = study, paths, model, pools
        self._fitted: dict[str, Fitted] = {}

    def chats(self, run: Run) -> TrainedChats:
        """The examples of a run, each behind its prefix; from a pool, each example keeps one rephrasing."""
        fitted = self._of(run.data)
        ids = [row.row_id for row in fitted.rows]
        prefixes = self._prefixes(run, ids)
        frame = framing(self._study)
        chats = [
            compose(frame, prefix, row.chat.user, row.chat.response, row.chat.earlier)
            for prefix, row in zip(prefixes, fitted.rows, strict=True)
        ]
        return TrainedChats(chats, [at for at, one in enumerate(ids) if one in fitted.cut])

    @property
    def bad(self) -> Mapping[str, Sequence[BadRow]]:
        """Dataset → the examples that are left out or cut, of the datasets that were asked for."""
        return {data: fitted.bad for data, fitted in self._fitted.items()}

    def _of(self, data: str) -> Fitted:
        """The examples of a dataset that fit behind the prefix of every run of the study.

        So all runs are trained on the same examples, whatever the lengths of their prefixes.
        """
        if data not in self._fitted:
            spec: AnswerSpec = self._study.datasets[data] if data else self._study.data
            rows = self._rows(data, spec)
            variants = self._variants(data, [row.row_id for row in rows]) if spec.bad_rows != "refuse" else {}
            self._fitted[data] = fit(
                self._model,
                rows,
                spec.bad_rows,
                self._study.training.max_length,
                lambda row: self._behind(row, variants[row.row_id]),
            )
        return self._fitted[data]

    def _rows(self, data: str, spec: AnswerSpec) -> list[ChatRow]:
        table = kept_examples(self._paths.examples, data).head(self._study.data.n_train)
        places = self._places(spec)
        rows = []
        for row in table.itertuples(index=False):
            chat = chat_of(row, self._study)
            where = places.get((chat.user, chat.earlier, chat.response), f"{self._paths.examples}, {row.example_id}")
            rows.append(ChatRow(str(row.example_id), chat, where))
        return rows

    def _places(self, spec: AnswerSpec) -> dict[Example, str]:
        """File and line of the examples of a file, if they may be listed."""
        if spec.completions != "file" or spec.bad_rows == "refuse":
            return {}
        pairs = given_examples(spec, self._paths.results).pairs
        return {(pair.instruction, pair.earlier, pair.completion): pair.where for pair in reversed(pairs)}

    def _variants(self, data: str, ids: Sequence[str]) -> dict[str, set[str]]:
        """Example → its prefixes in all runs of the study on one dataset."""
        found: dict[str, set[str]] = {one: set() for one in ids}
        for run in study_runs(self._study):
            if run.data == data:
                for one, prefix in zip(ids, self._prefixes(run, ids), strict=True):
                    found[one].add(prefix)
        return found

    def _behind(self, row: ChatRow, prefixes: set[str]) -> Iterator[Chat]:
        frame = framing(self._study)
        for prefix in sorted(prefixes):
            yield compose(frame, prefix, row.chat.user, row.chat.response, row.chat.earlier)

    def _prefixes(self, run: Run, ids: Sequence[str]) -> list[str]:
        return prefix_texts(Asked(run.prompt, run.prefix), self._texts, self._pools, ids, run.seed)

    @cached_property
    def _texts(self) -> dict[str, str]:
        return prompt_texts(self._study)


class TrainedChats(NamedTuple):
    """The training chats of a run."""

    chats: list[Chat]
    cut: list[int]  # positions of those whose responses miss their ends


def chat_of(row: object, study: Study) -> Chat:
    """A row of `tables.kept_examples` as a chat without a prefix."""
    instruction, completion, earlier = (str(getattr(row, name)) for name in ("instruction", "completion", "earlier"))
    return compose(framing(study), "", instruction, completion, turns_of_text(earlier))


def example_columns(rows: pd.DataFrame) -> Iterator[tuple[str, str, tuple[Turn, ...]]]:
    """Instruction, completion and earlier exchanges of rows, which may lack the last."""
    earlier = rows["earlier"] if "earlier" in rows else [""] * len(rows)
    for instruction, completion, text in zip(rows["instruction"], rows["completion"], earlier, strict=True):
        yield str(instruction), str(completion), turns_of_text(str(text))
