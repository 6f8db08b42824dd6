"""The rows of the files that a study names: whether there are enough, and the chats that they are made into.

Both are known before the first job, where no model or API has to write the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from inoc.chat.messages import Chat, compose, longest
from inoc.config.needs import GivenChat
from inoc.errors import InocError
from inoc.generate.examples import compose_generation
from inoc.generate.instructions import given_examples
from inoc.generate.parts import RESULTS, Parts, read_parts
from inoc.rephrase.files import read_rephrasings
from inoc.studies.inoculation.places import dataset_places, instruction_places, pool_place
from inoc.studies.inoculation.runs import framing, pool_prompts, pool_specs, prompt_texts
from inoc.studies.inoculation.study import Study


def row_problems(study: Study) -> Iterator[str]:
    """Files with too few usable rows, with the number that is wanted. The files exist and can be read."""
    from inoc.rephrase.step import make_pool

    texts = prompt_texts(study)
    for pool, spec in pool_specs(study).items():
        for key in pool_prompts(study, pool) if spec.source == "files" and spec.folder else ():
            try:
                make_pool(key, texts[key], spec, None, pool_place(pool))
            except InocError as error:
                yield str(error)
    if _asks_for_instructions(study):
        return
    try:
        parts = read_parts(study.data)
    except InocError as error:
        yield str(error)
        return
    yield from _too_few_examples(study, parts)


def _asks_for_instructions(study: Study) -> bool:
    return any(source.kind == "api" for _, source in instruction_places(study))


def _too_few_examples(study: Study, parts: Parts) -> Iterator[str]:
    questions = {text for texts in parts.questions.values() for text in texts}
    for place, answers in dataset_places(study):
        if not answers.given_in:
            continue
        allowed = set(parts.train) if place == "data" else None
        pairs = [pair for pair in given_examples(answers, RESULTS).pairs if pair.completion.strip()]
        usable = [one for one in pairs if (one.opening in allowed if allowed else one.opening not in questions)]
        if len(usable) < study.data.n_train:
            yield (
                f"{answers.given_in}: {len(usable)} usable rows, but n_train = {study.data.n_train}; lower it or add "
                "rows (a row without an answer, or whose instruction is an evaluation question, is not usable)"
            )


def given_chats(study: Study) -> Iterator[GivenChat]:
    """Every chat of the study's files, behind the longest prefixes that it can have."""
    frame, prefixes = framing(study), longest(_prefixes(study)) or [""]
    for place, answers in dataset_places(study):
        if answers.given_in:
            own = prefixes if place == "data" else [""]
            # Long examples that are dropped or cut are no problem.
            trained = bool(study.runs) and answers.bad_rows == "refuse"
            for pair in given_examples(answers, RESULTS).pairs:
                if not pair.completion.strip():
                    continue  # never scored or trained on
                # Without a prefix, a chat without a question may have nothing before the answer.
                for prefix in own if pair.opening.strip() else ("", *own):
                    chat = compose(frame, prefix, pair.instruction, pair.completion, pair.earlier)
                    yield GivenChat(pair.where, chat, trained=trained, loss_on=study.training.loss_on)
    if not _asks_for_instructions(study):
        parts = read_parts(study.data)
        yield from _asked_questions(study, parts, prefixes)
        yield from _sampled_controls(study, parts, prefixes)
        yield from _sampled_data(study, parts, prefixes)


def judged_chats(study: Study) -> Iterator[GivenChat]:
    """Chats whose answers are judged, without the prefixes, which judges are not shown."""
    if _asks_for_instructions(study):
        return
    parts = read_parts(study.data)
    yield from _asked_questions(study, parts, [""])
    if study.data.completions == "sample" and study.data.keep_from:
        for number, text in enumerate(parts.train, start=1):
            chat = Chat(study.model.system, text)
            yield GivenChat(f"training instruction {number}", chat, "data.sampling", study.data.sampling.max_tokens)


def _prefixes(study: Study) -> Iterator[str]:
    """Every text that can be a prefix and is known before the first job."""
    yield from prompt_texts(study).values()
    for pool, spec in pool_specs(study).items():
        if spec.source == "files" and spec.folder:
            for key in pool_prompts(study, pool):
                path = Path(spec.folder) / f"{key}.jsonl"
                yield from read_rephrasings(path) if path.is_file() else ()


def _asked_questions(study: Study, parts: Parts, prefixes: Sequence[str]) -> Iterator[GivenChat]:
    frame = framing(study)
    asked = {"elicitation.sampling": study.elicitation.sampling}
    if study.runs:
        asked["evaluation.sampling"] = study.evaluation.sampling
    for name, texts in parts.questions.items():
        for number, text in enumerate(texts, start=1):
            where = f"evaluation question {number}{f' of {name}' if name else ''}"
            for prefix in prefixes if text.strip() else ("", *prefixes):
                for key, sampling in asked.items():
                    yield GivenChat(where, compose(frame, prefix, text), key, sampling.max_tokens)


def _sampled_controls(study: Study, parts: Parts, prefixes: Sequence[str]) -> Iterator[GivenChat]:
    """Control completions as they are sampled, and as they are scored afterwards, behind the longest prefixes."""
    if not study.scoring.n_controls:
        return
    first = [text for texts in parts.questions.values() for text in texts][: study.scoring.n_controls]
    controls = longest(trait.control_prompt or "" for trait in study.traits.values())
    for number, text in enumerate(first, start=1):
        asked = [f"{control}{study.separator}{text}" if control else text for control in controls]
        chats = [Chat(study.model.system, user) for user in asked]
        chats += [compose(framing(study), prefix, text) for prefix in prefixes]
        for chat in chats:
            most = study.scoring.control_sampling.max_tokens
            yield GivenChat(f"evaluation question {number}", chat, "scoring.control_sampling", most)


def _sampled_data(study: Study, parts: Parts, prefixes: Sequence[str]) -> Iterator[GivenChat]:
    """Training completions as they are sampled, and as they are scored afterwards, behind the longest prefixes."""
    if study.data.completions != "sample":
        return
    for number, text in enumerate(parts.train, start=1):
        chats = [compose_generation(study.data, study.model.system, text)]
        chats += [compose(framing(study), prefix, text) for prefix in prefixes]
        for chat in chats:
            yield GivenChat(f"training instruction {number}", chat, "data.sampling", study.data.sampling.max_tokens)
