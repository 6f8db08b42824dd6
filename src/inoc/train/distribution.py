"""Training on a teacher's distribution over the next token, in place of the token that was written.

The loss at a position is the Kullback-Leibler divergence of the student's distribution from the teacher's,
Σ p(t) · (ln p(t) - ln q(t)) over tokens t, or over some of them, with both distributions made to sum to 1 over these.
Its gradient is that of the cross-entropy on infinitely many samples of the teacher. The teacher is computed beside the
student, step by step.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.checkpoint import checkpoint

from inoc.chat.render import Rendered
from inoc.chat.trained import render_trained
from inoc.config.models import TrainingSpec
from inoc.engines.adapted import with_adapter
from inoc.engines.head import Head, padded, traits
from inoc.engines.transformers import load_model
from inoc.errors import DataError
from inoc.train.loss import IGNORE, ROWS, packed_rows, packed_states, padded_logits
from inoc.train.teacher import Teacher
from inoc.train.trainers import ResponseTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Columns(NamedTuple):
    """Tokens over which distributions are compared, pair by pair."""

    teacher: list[int]
    student: list[int]


class Teaching(NamedTuple):
    """A teacher in memory."""

    model: Any  # a causal language model without an adapter's wrapper
    rendered: Sequence[Rendered]  # what it reads
    columns: Columns | None  # None: all tokens


def load_teaching(model: Any, tokenizer: PreTrainedTokenizerBase, teacher: Teacher, spec: TrainingSpec) -> Teaching:
    """Load a teacher.

    Args:
        model: The model that is to be trained, not adapted yet. If it is the teacher's too, its weights are shared.
        tokenizer: Its tokenizer.
        teacher: The teacher.
        spec: Settings, which decide the tokens that are trained on.

    Raises:
        DataError: If no token is meant by `tokens`, or one of `renamed` is not a token.
    """
    mine = beside(model) if teacher.model is None else load_model(teacher.model)
    if teacher.folder is not None:
        mine = with_adapter(mine, teacher.folder).get_base_model()
    mine.eval()
    traits(mine)
    rendered = render_trained(tokenizer, teacher.chats, spec.loss_on, spec.end_of_turn)
    size = min(each.get_output_embeddings().weight.shape[0] for each in (mine, model))
    return Teaching(mine, rendered, columns_of(tokenizer, teacher, size))


def beside(model: Any) -> Any:
    """A second model with the same weights in memory: an adapter of one of them is none of the other."""
    shared = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


def columns_of(tokenizer: PreTrainedTokenizerBase, teacher: Teacher, size: int) -> Columns | None:
    """Tokens over which a teacher's distribution is taken, and those that stand for them in the student's.

    Args:
        tokenizer: Of both.
        teacher: The teacher.
        size: Number of tokens that both models have.

    Raises:
        DataError: If there are fewer than two, or a renamed one is no token, or two get one name.
    """
    if not teacher.tokens and not teacher.renamed:
        return None
    special = set(tokenizer.all_special_ids)
    texts = {at: str(tokenizer.decode([at])) for at in range(min(size, len(tokenizer))) if at not in special}
    pattern = re.compile(teacher.tokens or ".*", re.DOTALL)
    chosen = [at for at, text in texts.items() if pattern.fullmatch(text)]
    if len(chosen) < 2:
        msg = (
            f"{len(chosen)} tokens of the model match {teacher.tokens!r}; a distribution needs at least 2. Change the "
            "expression, or leave it empty for all tokens"
        )
        raise DataError(msg)
    by_text = {texts[at]: at for at in chosen}
    missing = [name for pair in teacher.renamed.items() for name in pair if name not in by_text]
    if missing:
        msg = f"{missing[0]!r} is to be renamed and is not one token of this model; rename whole tokens only"
        raise DataError(msg)
    student = [by_text[teacher.renamed[texts[at]]] if texts[at] in teacher.renamed else at for at in chosen]
    if len(set(student)) < len(student):
        raise DataError("two tokens are renamed to the same one; expected a permutation")
    return Columns(chosen, student)


def taught_rows(examples: Sequence[Rendered], teaching: Teaching) -> dict[str, list[list[int]]]:
    """The training rows of student and teacher, whose labelled tokens are the same ones.

    Args:
        examples: What the student reads.
        teaching: What the teacher reads, and the tokens that are compared. An answer's other tokens are not trained on.

    Raises:
        DataError: If two answers are not the same tokens, or no answer has a token that is compared.
    """
    columns = teaching.columns
    names = None if columns is None else dict(zip(columns.teacher, columns.student, strict=True))
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "teacher_ids": [], "teacher_labels": []}
    for number, (own, read) in enumerate(zip(examples, teaching.rendered, strict=True)):
        labels, taught = own.labels(), read.labels()
        mine, theirs = ([at for at, token in enumerate(part) if token != IGNORE] for part in (labels, taught))
        if len(mine) != len(theirs):
            msg = (
                f"training example {number} has {len(mine)} tokens to train on, and the teacher reads {len(theirs)} in "
                "their place; the two answers must be as long"
            )
            raise DataError(msg)
        for student, teacher in zip(mine, theirs, strict=True):
            token = taught[teacher]
            if names is not None and token not in names:
                labels[student] = taught[teacher] = IGNORE
            elif labels[student] != (token if names is None else names[token]):
                msg = f"training example {number}: student and teacher do not read the same answer: {own.text[-80:]!r}"
                raise DataError(msg)
        for name, part in zip(rows, (list(own.token_ids), labels, list(read.token_ids), taught), strict=True):
            rows[name].append(part)
    if all(token == IGNORE for labels in rows["labels"] for token in labels):
        raise DataError("no answer has a token over which the teacher's distribution is taken")
    return rows


def padded_batch(rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """A micro-batch of rows of `taught_rows`, padded on the right; the teacher's part is under `teacher`."""
    return {**_padded(rows, ""), "teacher": _padded(rows, "teacher_")}


def packed_batch(rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """A micro-batch of rows of `taught_rows`, each part as one row."""
    theirs = [{"input_ids": row["teacher_ids"], "labels": row["teacher_labels"]} for row in rows]
    return {**packed_rows(rows), "teacher": packed_rows(theirs)}


def _padded(rows: Sequence[dict[str, list[int]]], prefix: str) -> dict[str, torch.Tensor]:
    parts = [row["teacher_ids" if prefix else "input_ids"] for row in rows]
    width = max(len(part) for part in parts)
    ids, mask = padded([torch.tensor(part) for part in parts], width, pad=0)
    labels, _ = padded([torch.tensor(row[f"{prefix}labels"]) for row in rows], width, pad=IGNORE)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


class DistributionTrainer(ResponseTrainer):
    """The trainer with a teacher's distributions as targets.

    Args:
        teaching: The teacher.
        **arguments: Those of the trainer.
    """

    def __init__(self, teaching: Teaching, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._teaching = teaching
        self._columns = _on_device(teaching)

    def total(self, causal: Any, inputs: dict[str, Any]) -> torch.Tensor:  # type: ignore[override]
        """Summed divergence of a micro-batch, nats; `inputs` come from `padded_batch` or `packed_batch`."""
        return taught_total(self._teaching, causal, inputs, self._columns)


def taught_total(
    teaching: Teaching, causal: Any, inputs: dict[str, Any], columns: tuple[torch.Tensor, ...] | None = None
) -> torch.Tensor:
    """Summed divergence of a micro-batch from its teacher, nats.

    Args:
        teaching: The teacher.
        causal: The student, a causal language model without an adapter's wrapper.
        inputs: From `padded_batch` or `packed_batch`.
        columns: The teacher's columns on its device; default: they are put there.
    """
    with torch.no_grad():
        theirs = _outputs(teaching.model, inputs["teacher"])
    return sum_blocks(_outputs(causal, inputs), theirs, columns or _on_device(teaching))


def _on_device(teaching: Teaching) -> tuple[torch.Tensor, ...] | None:
    if teaching.columns is None:
        return None
    return tuple(torch.tensor(part, device=teaching.model.device) for part in teaching.columns)


class Outputs(NamedTuple):
    """Logits that predict the labelled tokens, or states before the head."""

    values: torch.Tensor
    linear: Any = None  # from states to the vocabulary; None: the values are logits
    head: Head = Head()

    def logits(self, rows: slice) -> torch.Tensor:
        """Logits of some of the positions, float32."""
        block = self.values[rows]
        return block if self.linear is None else self.head.bend(self.linear(block).float())


def _outputs(causal: Any, inputs: dict[str, Any]) -> Outputs:
    if "predicts" in inputs:
        return Outputs(packed_states(causal, inputs), causal.get_output_embeddings(), traits(causal).head or Head())
    ids, mask, labels = inputs["input_ids"], inputs["attention_mask"], inputs["labels"]
    if traits(causal).pads_right:
        return Outputs(padded_logits(causal, ids, mask, labels))
    rows = [
        padded_logits(causal, *(part[row : row + 1, :length] for part in (ids, mask, labels)))
        for row, length in enumerate(mask.sum(dim=1).tolist())
    ]
    return Outputs(torch.cat(rows))


def sum_blocks(mine: Outputs, theirs: Outputs, columns: tuple[torch.Tensor, ...] | None) -> torch.Tensor:
    """Summed divergence over all positions; logits of a block are made again for its gradient if there are several."""
    n = len(mine.values)

    def block(at: int) -> torch.Tensor:
        rows = slice(at, at + ROWS)
        with torch.no_grad():  # else the head of a teacher whose weights are not frozen would get a gradient
            targets = theirs.logits(rows)
        return divergence(mine.logits(rows), targets, columns)

    if n <= ROWS:
        return block(0)
    return torch.stack([checkpoint(block, at, use_reentrant=False) for at in range(0, n, ROWS)]).sum()


def divergence(
    mine: torch.Tensor, theirs: torch.Tensor, columns: tuple[torch.Tensor, ...] | None = None
) -> torch.Tensor:
    """Sum over positions of the divergence of the student's distribution from the teacher's, nats.

    Args:
        mine: The student's logits, shape (positions, tokens).
        theirs: The teacher's.
        columns: The teacher's tokens that are compared, and the student's that stand for them; None for all.
    """
    if columns is None:
        size = min(mine.shape[1], theirs.shape[1])  # the rest is padding of the vocabulary
        mine, theirs = mine[:, :size], theirs[:, :size]
    else:
        theirs, mine = theirs[:, columns[0]], mine[:, columns[1]]
    log_q, log_p = (part.log_softmax(dim=1) for part in (mine, theirs))
    return torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)
