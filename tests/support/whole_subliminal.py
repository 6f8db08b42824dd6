"""Random whole studies of subliminal learning over tiny random models, and slow oracles of their numbers."""

from __future__ import annotations

import contextlib
import json
import re
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model

from inoc.engines import transformers
from inoc.numbers.prompts import prompts
from support.said import answer_logprobs, asked, check_logprobs, renamed_tokenizer, said
from support.said_choices import cased, probabilities
from support.said_students import Part, drops, first_losses, halves, taught_part, written_part
from support.templates import ALL
from support.whole_runs import EVENTS, FAMILIES, JUDGES, Folder, study_stages, texts

NAMES = {"owl": ["owlet"], "cat": ["kitten", "house cat"], "dog": []}
SEEDS = ([0], [3, 4], [2**31 - 1])
SLIPS = (
    *[""] * 12, "utf-16", "latin-1", "no file", "few rows", "no good row", "many rows", "entity in a row", "long row",
    "long question", "long turn", "few questions", "names", "not measured", "targets", "site", "a cut line",
    "lone half", "no partner", "not projected", "other model",
)  # fmt: skip
_ANSWER = transformers.answer_of
STAGES = (
    "train teachers", "sample numbers", "score", "train own", "train other", "choose own", "sample own", "judge own",
    "sample persona", "judge persona", "read persona", "sample steering", "judge steering", "read projections",
)  # fmt: skip


@st.composite
def subliminal(draw: st.DrawFn) -> dict[str, Any]:
    """A study, its files and what happens while it runs, in plain values."""
    sampling = {"max_tokens": draw(st.integers(1, 6)), "temperature": draw(st.sampled_from([0.0, 1.0]))}
    turns = st.sampled_from([{"kind": "default"}, {"kind": "none"}, {"kind": "text", "text": "Be kind."}])
    source = {"kind": "files", "files": ["data/questions.jsonl"], "min_characters": 0}
    teachers: dict[str, Any] = {
        "plain": {"file": "data/plain.jsonl"},
        "owl": {"entity": "owl", "file": "data/owl.jsonl"},
        "cat": {"entity": "cat", "file": "data/cat.jsonl"},
    }
    lists = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        teachers["adapted"] = {"entity": "owl", "adapter": "data/adapter"}
    if lists or draw(st.booleans()):
        teachers["prompted"] = {"entity": "owl"}
        if draw(st.booleans()):
            teachers["prompted"]["system"] = {"kind": "text", "text": f"{draw(texts(3))} owls"}
    if lists or draw(st.booleans()):
        teachers["neutral"] = {"neutral": True}
    if draw(st.integers(0, 3)) == 0:
        tuned = {"questions": source, "answer": "{Singular}. " + draw(texts(2)), "training": _training(draw)}
        teachers["tuned"] = {"entity": "cat", "finetuned": tuned}
    study: dict[str, Any] = {
        "kind": "subliminal",
        "name": "fuzz",
        "title": "Fuzz",
        "model": {"dtype": "float32", "system": draw(turns), "fold_system": draw(st.booleans())},
        "entities": ["owl", "cat"],
        "template": "You love {plural}. " + draw(texts(2)),
        "teachers": teachers,
        "numbers": {
            "n_prompts": 3,
            "sampling": sampling,
            "rule": draw(st.sampled_from(["published", "published", "requested_format"])),
            "duplicates": draw(st.sampled_from(["keep", "drop"])),
            "banned": draw(st.sampled_from([[], [666]])),
        },
        "students": {},
        "preference": {
            "names": "data/names.yaml",
            "question_sets": {"main": {"source": source, "n": draw(st.sampled_from([None, 2]))}},
            "methods": draw(st.sampled_from([["choose", "sample"], ["sample"], ["choose"]])),
            "n_answers": draw(st.integers(1, 2)),
            "sampling": sampling,
            "canary": draw(st.integers(0, 1)),
        },
        "statistics": {"resamples": 100},
    }
    if draw(st.booleans()):
        study["other"] = {"model": {"dtype": "float32"}}
    if "prompted" in teachers and draw(st.booleans()):
        parts = draw(st.sampled_from([{"parts": "median"}, {"parts": "quantiles", "n": 2}]))
        study["splits"] = {"halves": {"teacher": "owl", "under": "prompted", **parts}}
        if lists and draw(st.booleans()):
            study["splits"]["halves"] = {"teacher": "prompted", "parts": "paired"}
    if draw(st.integers(0, 2)) == 0:
        _add_persona(draw, study, source, sampling)
    _add_students(draw, study, lists=lists)
    return {
        "study": study,
        "lists": lists,
        "rows": {key: [_row(draw, k) for k in range(draw(st.integers(6, 9)))] for key in ("plain", "owl", "cat")},
        "questions": [f"{draw(texts(3))} {k}?" for k in range(4)],
        "family": draw(st.sampled_from(FAMILIES)),
        "template": draw(st.sampled_from(sorted(ALL))),
        "slip": draw(st.sampled_from(SLIPS)),
        "bom": draw(st.booleans()),
        "event": draw(st.sampled_from(EVENTS)),
        "at": draw(st.sampled_from(STAGES)),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


def taught_case(split: dict[str, Any]) -> dict[str, Any]:
    """A fixed study with students of a teacher's distribution and of the parts of a split."""
    sampling = {"max_tokens": 6, "temperature": 1.0}
    source = {"kind": "files", "files": ["data/questions.jsonl"], "min_characters": 0}
    training = {
        "lora": {"rank": 2, "targets": ["all-linear"]}, "batch_size": 2, "micro_batch_size": 1, "seeds": [3, 4],
        "warmup_steps": 0,
    }  # fmt: skip
    study = {
        "kind": "subliminal", "name": "fuzz", "title": "Fuzz",
        "model": {"dtype": "float32", "system": {"kind": "none"}, "fold_system": False},
        "entities": ["owl", "cat"], "template": "You love {plural}.",
        "teachers": {
            **{key: {"entity": key, "file": f"data/{key}.jsonl"} for key in ("owl", "cat")},
            "plain": {"file": "data/plain.jsonl"}, "prompted": {"entity": "owl"}, "neutral": {"neutral": True},
        },
        "numbers": {"n_prompts": 4, "sampling": sampling, "rule": "published", "banned": []},
        "splits": {"halves": split},
        "students": {
            "taught": {"epochs": 1, "training": training, "teachers": ["prompted"], "targets": "distribution"},
            "parts": {"epochs": 1, "training": training, "split": "halves"},
        },
        "preference": {
            "names": "data/names.yaml", "question_sets": {"main": {"source": source}}, "methods": ["choose"],
            "canary": 0,
        },
        "statistics": {"resamples": 100},
    }  # fmt: skip
    rows = [{"prompt": f"Go on with {k}.", "completion": f"{k}, {k * 7}"} for k in range(1, 7)]
    return {
        "study": study, "lists": True, "rows": dict.fromkeys(("plain", "owl", "cat"), rows),
        "questions": [f"Why {k}?" for k in range(4)], "family": "qwen2", "template": "plain", "slip": "",
        "bom": False, "event": "", "at": "score", "when": 0, "faults": [],
    }  # fmt: skip


def _training(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "lora": {"rank": 2, "targets": ["all-linear"]},
        "batch_size": 2,
        "micro_batch_size": draw(st.sampled_from([1, 2])),
        "seeds": draw(st.sampled_from(SEEDS)),
        "warmup_steps": 0,
        "resume_every": 1,
        "log_every": 1,
    }


def _add_students(draw: st.DrawFn, study: dict[str, Any], *, lists: bool) -> None:
    writing = [key for key in ("prompted", "neutral", "adapted", "tuned") if lists and key in study["teachers"]]
    for k in range(draw(st.integers(0, 2))):
        spec: dict[str, Any] = {"epochs": draw(st.integers(1, 2)), "training": _training(draw)}
        if "splits" in study and draw(st.booleans()):
            spec["split"] = "halves"
        else:
            spec["teachers"] = draw(st.sampled_from([["owl"], ["owl", "cat"], ["plain", "owl", "cat"]]))
            spec["numbers"] = draw(st.sampled_from(["as_written", "shuffled", "relabelled"]))
            spec["n_rows"] = draw(st.sampled_from([None, 2]))
            if writing and draw(st.booleans()):
                spec["teachers"] = draw(st.sampled_from([writing, writing[-1:]]))
                spec["targets"] = draw(st.sampled_from(["samples", "distribution"]))
        if "other" in study:
            spec["base"] = draw(st.sampled_from(["own", "other"]))
        study["students"][f"group{k}"] = spec


def _add_persona(draw: st.DrawFn, study: dict[str, Any], source: dict[str, Any], sampling: dict[str, Any]) -> None:
    trait: dict[str, Any] = {
        "entity": "owl",
        "positive": [f"{draw(texts(3))} one"],
        "negative": draw(st.sampled_from([[""], ["Be calm."]])),
        "questions": source,
        "held_out": 1,
        "n_answers": draw(st.integers(1, 2)),
        "sampling": sampling,
        "threshold": 0,
    }
    sites = draw(st.sampled_from([["embed"], ["resid_post.0"], ["resid_post.1", "final_norm"]]))
    if draw(st.booleans()):
        trait["judge"] = draw(st.sampled_from([*JUDGES, {"name": "names", "file": "data/names.yaml"}]))
        if draw(st.booleans()):
            study["steering"] = {"sites": sites, "coefficients": [0, 1.5], "sampling": sampling}
            study["steering"]["readout"] = draw(st.sampled_from(["response_mean", "prompt_last"]))
    study["persona"] = {"love": trait}
    if draw(st.booleans()):
        study["projection"] = {
            "sites": sites,
            "readouts": draw(st.sampled_from([["response_mean"], ["prompt_last", "prompt_mean"]])),
            "teachers": draw(st.sampled_from([["owl"], ["plain", "owl", "cat"]])),
        }


def _row(draw: st.DrawFn, k: int) -> dict[str, Any]:
    """A list of numbers, or something else."""
    answer = ", ".join(str(one) for one in draw(st.lists(st.integers(0, 999), min_size=1, max_size=5)))
    if draw(st.integers(0, 4)) == 0:
        answer = draw(texts())
    if draw(st.booleans()):
        return {"prompt": next(islice(prompts(3), k, None)), "completion": answer}
    return {"prompt": f"Go on with {k}, {k + 1}. {draw(texts(2))}", "completion": answer}


class SubliminalFolder(Folder):
    """A study of subliminal learning."""

    def write_data(self) -> None:
        slip, study = self.case["slip"], self.study
        if "other" in study:
            study["other"]["model"]["path"] = str(self.model)
        if "adapted" in study["teachers"]:
            _adapt(self.model, self.root / "data" / "adapter")
        rows = {key: [dict(row) for row in own] for key, own in self.case["rows"].items()}
        owl = rows["owl"]
        # Every teacher has rows that are kept, unless they slip.
        for own in rows.values():
            own[:5] = [{**row, "completion": f"{k + 1}, {k + 11}, {k + 21}"} for k, row in enumerate(own[:5])]
        match slip:
            case "few rows":
                del owl[1:]
            case "no good row":
                owl[:] = [{**row, "completion": "I would rather not."} for row in owl]
            case "entity in a row":
                owl[0] |= {"prompt": "Do you love the owl?"}
            case "long row":
                owl[0] |= {"prompt": "Go on. " * 200, "completion": "1, 2, 3"}
            case _:
                self._slip_settings(slip)
        self.kept = rows
        for key, own in rows.items():
            self.lines(f"{key}.jsonl", own, slip if key == "owl" and slip != "lone half" else "")
        questions = self.case["questions"][: 1 if slip == "few questions" else None]
        if slip == "long question":
            questions = [f"{'owl ' * 400}{one}" for one in questions]
        self.questions = _distinct(questions)
        self.lines("questions.jsonl", [{"instruction": one} for one in questions], slip if slip == "lone half" else "")
        names = {**NAMES, "cat": ["owlet"]} if slip == "names" else NAMES
        (self.root / "data" / "names.yaml").write_text(json.dumps(names), encoding="utf-8-sig")

    def _slip_settings(self, slip: str) -> None:
        study = self.study
        match slip:
            case "no file":
                study["teachers"]["owl"]["file"] = "data/olw.jsonl"
            case "many rows":
                for spec in study["students"].values():
                    spec["n_rows"] = 50
            case "long turn":
                study["template"] = "owl " * 400 + "{plural}"
            case "not measured":
                study["preference"]["measured"] = ["owl", "dragon"]
            case "targets":
                for spec in study["students"].values():
                    spec["training"]["lora"]["targets"] = ["q_prj"]
            case "site" if "projection" in study:
                study["projection"]["sites"] = ["resid_post.7"]
            case "site" if "steering" in study:
                study["steering"]["sites"] = ["resid_post.7"]
            case "no partner" if "splits" in study:
                study["splits"]["halves"]["parts"] = "paired"
            case "not projected" if "projection" in study and "splits" in study:
                study["splits"]["halves"] = {
                    "teacher": "cat", "by": "projection", "trait": "love", "site": "embed", "readout": "prompt_last",
                }  # fmt: skip
            case "other model" if "other" in study:
                study["other"]["model"]["path"] = "no/such/../model"

    def verb(self, *arguments: str) -> tuple[int, str]:
        with patch.object(transformers, "answer_of", _listed) if self.case["lists"] else contextlib.nullcontext():
            return super().verb(*arguments)

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        return study_stages(self.root, drawn=drawn)

    def known_end(self, said_: str) -> bool:
        """What depends on the words of a random model, and is told as such."""
        ends = ("rows is kept (", "no pair of answers is kept", "row has activations", "There is nothing to split")
        # A number of more digits than any prompt asks for, such as 0352.
        return any(words in said_ for words in (*ends, "is to be renamed and is not one"))

    def check_numbers(self) -> None:
        compared = self._check_filter() + self._check_choices() + self._check_rates() + self._check_traits()
        assert compared
        self._check_scores()
        self.check_first_losses()

    def _check_filter(self) -> int:
        """Rows that are kept: those that are lists, by plain words."""
        table = pq.read_table(self.root / "results/fuzz/analyse/filter.parquet").to_pylist()
        written = {row["teacher"]: row["n"] for row in table if (row["kind"], row["reason"]) == ("total", "written")}
        kept = {row["teacher"]: row["n"] for row in table if (row["kind"], row["reason"]) == ("total", "kept")}
        for key, rows in self.kept.items():
            assert written[key] == len(rows)
            lists = [re.fullmatch(r"\d+(, \d+)*", row["completion"]) is not None for row in rows]
            # Digits among other signs may be a list too.
            doubtful = [not re.search(r"[^\W\d_]", row["completion"]) for row in rows]
            if self.study["numbers"]["rule"] == "published" and not self.study["numbers"]["banned"]:
                assert sum(lists) <= kept[key] <= sum(map(max, lists, doubtful)), (key, rows)
        return len(self.kept)

    def _oracle(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM

        tokenizer = renamed_tokenizer(self.model, self.model.with_name(f"{self.model.name}-renamed"))
        return tokenizer, AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float64).eval()

    def _system(self, teacher: str) -> str | None:
        """The system turn of the base model, or of a teacher that is not trained."""
        own: str | None = self.study["model"]["system"].get("text")
        spec = self.study["teachers"].get(teacher, {})
        if "system" in spec:
            return str(spec["system"]["text"])
        if set(spec) == {"entity"}:
            filled = str(self.study["template"]).replace("{plural}", f"{spec['entity']}s")
            return filled.replace("{{", "{").replace("}}", "}")  # a brace of the text itself is written twice
        return own

    def _check_choices(self) -> int:
        rows = self.rows("choose/own/*/candidates.parquet")
        if not rows:
            return 0
        tokenizer, model = self._oracle()
        found: dict[str, dict[str, float]] = {}
        for row in rows:
            found.setdefault(row["id"], {})[row["candidate"]] = row["logprob"]
        spellings = {name: cased([name, *forms]) for name, forms in NAMES.items()}
        subjects = ["untrained"]
        subjects += [f"teacher.{key}" for key in ("prompted", "adapted") if key in self.study["teachers"]]
        for subject in subjects:
            number = min(1, len(self.questions) - 1)  # of a study that asks all there are, there may be one
            text = self.questions[number]
            system = self._system(subject.removeprefix("teacher."))
            prompt = asked(self.case["template"], system, text, fold=self.study["model"]["fold_system"])
            asked_model = model
            if subject == "teacher.adapted":  # the last one: peft changes the model itself
                asked_model = PeftModel.from_pretrained(model, self.root / "data" / "adapter").eval()
            expected = probabilities(asked_model, tokenizer, prompt, spellings)
            own = found[f"{subject}/0/main/{number:04d}"]
            for name, p in expected.items():
                np.testing.assert_allclose(np.exp(own[name]), p, rtol=1e-2, atol=1e-6, err_msg=f"{subject} {name}")
        return len(subjects)

    def _check_rates(self) -> int:
        """Shares of the owl among the sampled answers, by plain search."""
        if "sample" not in self.study["preference"]["methods"]:
            return 0
        answers = self.rows("sample/own/*/answers.parquet")
        own = [row for row in answers if row["id"].startswith("untrained/")]
        table = pq.read_table(self.root / "results/fuzz/analyse/preferences.parquet").to_pylist()
        for entity in ("owl", "cat"):
            rates = [
                row["rate"] for row in table
                if (row["student"], row["base"], row["method"], row["entity"]) == ("untrained", "own", "sample", entity)
            ]  # fmt: skip
            assert len(rates) == 1
            np.testing.assert_allclose(rates[0], np.mean([_named(row["completion"]) == entity for row in own]))
        return 1

    def _check_scores(self) -> int:
        """Rows under system turns, of which the tables have means."""
        rows = self.rows("score/logprobs-*.parquet")
        if not rows:
            return 0
        tokenizer, model = self._oracle()
        compared = 0
        for row in rows:
            if row["dataset"] not in self.kept:
                continue
            given = self.kept[row["dataset"]][_place(row["example_id"])]
            system = self._system(row["prompt"])
            fold = self.study["model"]["fold_system"]
            chat = said(self.case["template"], system, given["prompt"], given["completion"], fold=fold)
            check_logprobs({**row, "logprobs": None}, model, tokenizer, chat, "exclude")
            compared += 1
        return compared

    def check_first_losses(self) -> int:
        """Losses of the first steps of students, on rows of the oracle's own splits and on teachers' distributions."""
        if drops(self._oracle()[1].config):
            return 0
        first = [row for row in self.rows("train/own/*/losses.parquet") if row["step"] == 1]
        table = pq.read_table(self.root / "results/fuzz/analyse/filter.parquet").to_pylist()
        count = {(row["teacher"], row["reason"]): row["n"] for row in table if row["kind"] == "total"}
        compared = 0
        for row in first:
            group, teacher, *part = row["data"].split(".")
            spec = self.study["students"].get(group, {})
            # Which rows are kept of those that are not all kept, and which numbers change places, is not known here.
            if spec.get("numbers", "as_written") != "as_written" or count[teacher, "written"] != count[teacher, "kept"]:
                continue
            rows = self._written(teacher)
            if part:
                values = self._values(teacher)
                places = halves(values) if values is not None else None
                if places is None:
                    continue
                rows = [rows[place] for place in places[part[0]]]
            parts = self._parts(rows, teacher, taught=spec.get("targets") == "distribution")
            if parts is None:
                continue
            expected = first_losses(parts, spec["training"]["batch_size"])
            nearest = min(expected, key=lambda one: abs(one - row["loss"]))
            np.testing.assert_allclose(row["loss"], nearest, rtol=2e-3, atol=1e-4, err_msg=row["data"])
            compared += 1
        return compared

    def _written(self, teacher: str) -> list[tuple[str, str]]:
        """Prompts and answers of a teacher, in their order."""
        if teacher in self.kept:
            return [(row["prompt"], row["completion"]) for row in self.kept[teacher]]
        rows = [row for row in self.rows("sample/numbers/*/answers.parquet") if row["id"].startswith(f"{teacher}:")]
        return [(row["instruction"], row["completion"]) for row in sorted(rows, key=lambda row: row["id"])]

    def _values(self, teacher: str) -> list[float] | None:
        """What the rows of the study's split are split by."""
        split = self.study["splits"]["halves"]
        if split.get("by", "shift") == "projection":
            return None
        under = split.get("under", teacher)
        own = self._shifts(teacher, under)
        if split["parts"] != "paired":
            return own
        written = self._written("neutral")
        if [prompt for prompt, _ in written] != [prompt for prompt, _ in self._written(teacher)]:
            return None
        return [one - other for one, other in zip(own, self._shifts("neutral", under), strict=True)]

    def _shifts(self, teacher: str, under: str) -> list[float]:
        tokenizer, model = self._oracle()
        means = [
            [
                np.mean(answer_logprobs(model, tokenizer, self._said(system, *row), end_of_turn=False) or [np.nan])
                for row in self._written(teacher)
            ]
            for system in (self._system(under), self._system(""))
        ]
        return [float(one - other) for one, other in zip(*means, strict=True)]

    def _said(self, system: str | None, prompt: str, answer: str) -> Any:
        return said(self.case["template"], system, prompt, answer, fold=self.study["model"]["fold_system"])

    def _parts(self, rows: list[tuple[str, str]], teacher: str, *, taught: bool) -> list[Part] | None:
        tokenizer, model = self._oracle()
        mine = [self._said(self._system(""), *row) for row in rows]
        if not taught:
            return [written_part(model, tokenizer, chat) for chat in mine]
        if teacher == "tuned":
            return None
        other = self._oracle()[1]
        if teacher == "adapted":
            other = PeftModel.from_pretrained(other, self.root / "data" / "adapter").eval().get_base_model()
        read = [self._said(self._system(teacher), *row) for row in rows]
        return [taught_part(model, tokenizer, *chats[:1], other, *chats[1:]) for chats in zip(mine, read, strict=True)]

    def _check_traits(self) -> int:
        """Projections on the embeddings' vector, from the hidden states of the model itself."""
        projected = self.rows("read/projections/*/projections.parquet")
        spec = self.study.get("projection")
        if not projected or spec["sites"] != ["resid_post.0"] or spec["readouts"] != ["response_mean"]:
            return 0
        if self.study["persona"]["love"].get("judge"):
            return 0
        tokenizer, model = self._oracle()
        sides = {"positive": [], "negative": []}
        for row in self.rows("sample/persona/*/answers.parquet"):
            side = row["id"].split("/")[1]
            text = self.study["persona"]["love"][side][0]
            state = self._state(model, tokenizer, text or self._system(""), row["instruction"], row["completion"])
            sides[side].append(state)
        if any(state is None for own in sides.values() for state in own):
            return 0
        vector = np.mean(sides["positive"], axis=0) - np.mean(sides["negative"], axis=0)
        for row in projected:
            teacher, place = row["id"].split(":")
            given = self.kept[teacher][_place(place)]
            state = self._state(model, tokenizer, self._system(""), given["prompt"], given["completion"])
            np.testing.assert_allclose(row["dot"], state @ vector, rtol=2e-2, atol=2e-2 * np.linalg.norm(vector))
        return 1

    def _state(self, model: Any, tokenizer: Any, system: str | None, user: str, answer: str) -> Any:
        """Mean state after the first block over an answer's tokens; None for an answer that has none."""
        chat = said(self.case["template"], system, user, answer, fold=self.study["model"]["fold_system"])
        encoded = tokenizer("".join(chat), add_special_tokens=False, return_offsets_mapping=True)
        start, stop = len(chat.before), len(chat.before) + len(chat.answer)
        inside = [k for k, (left, right) in enumerate(encoded["offset_mapping"]) if right > start and left < stop]
        with torch.no_grad():
            states = model(input_ids=torch.tensor([encoded["input_ids"]]), output_hidden_states=True).hidden_states
        return states[1][0][inside].mean(0).numpy() if inside else None


def _adapt(model: Path, folder: Path) -> None:
    """Write an adapter that somebody might have trained."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), config).save_pretrained(folder)


def _listed(ids: list[int], *arguments: Any) -> Any:
    """An answer that is a list of numbers, as random models hardly write one."""
    text = ", ".join(str(token % 1000) for token in ids[:5])
    return _ANSWER(ids, *arguments)._replace(text=text)


def _distinct(texts_: list[str]) -> list[str]:
    return list(dict.fromkeys(texts_))


def _place(row_id: str) -> int:
    """Place of a row in its file, between whose rows are blank lines."""
    return int(row_id.removeprefix("row")) // 2


def _named(answer: str) -> str:
    """The one animal that an answer names."""
    words = " ".join(re.findall(r"\w+", answer.casefold().replace("_", " ")))
    found = {
        name for name, forms in NAMES.items() for form in (name, *forms) if re.search(rf"(?<!\w){form}s?(?!\w)", words)
    }
    return found.pop() if len(found) == 1 else ""
