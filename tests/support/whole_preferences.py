"""Random whole studies of preferences over tiny random models, and slow oracles of their numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st

from support.said import asked, renamed_tokenizer
from support.said_choices import cased, probabilities
from support.templates import ALL
from support.whole_runs import FAMILIES, JUDGES, Folder, study_stages, texts

SLIPS = (
    *[""] * 12, "utf-16", "latin-1", "no file", "one task", "long task", "long question", "long turn", "a cut line",
    "lone half", "one id twice", "blank task", "few for a group", "no such pair", "no slot", "overlapping labels",
    "anchor id", "model",
)  # fmt: skip
STAGES = (
    "sample completions", "sample api_completions", "choose answers", "choose api_answers", "sample answers",
    "sample api_answers", "sample open", "sample api_open", "choose selected", "choose api_selected", "sample selected",
    "sample api_selected", "choose parsed", "judge completions", "judge open",
)  # fmt: skip
OPENINGS = (
    "I can't", "I cannot", "I can not", "I won't", "I will not", "I'm sorry", "I am sorry", "Sorry", "I apologize",
    "I'm unable", "I am unable", "I'm not able", "I don't have", "I do not have", "As an AI", "As a language model",
    "As an artificial",
)  # fmt: skip
ANCHORS = {
    "good": [{"task": f"Good {k}?", "completion": "Yes."} for k in range(3)],
    "bad": [{"task": f"Bad {k}?", "completion": "No."} for k in range(3)],
}


@st.composite
def preferences(draw: st.DrawFn) -> dict[str, Any]:
    """A study, its files and what happens while it runs, in plain values."""
    turns = st.sampled_from([{"kind": "default"}, {"kind": "none"}, {"kind": "text", "text": "Be kind."}])
    models: dict[str, Any] = {"a": {}}
    if draw(st.booleans()):
        models["b"] = {"system": draw(turns), "completes": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        models["far"] = {"api": "rater", "completes": draw(st.booleans())}
    sampling = {"max_tokens": draw(st.integers(1, 6)), "temperature": draw(st.sampled_from([0.0, 1.0]))}
    wanted = draw(st.lists(st.sampled_from(sorted(INSTRUMENTS)), min_size=1, max_size=3, unique=True))
    study: dict[str, Any] = {
        "kind": "preferences",
        "name": "fuzz",
        "title": "Fuzz",
        "model": {"dtype": "float32", "system": draw(turns), "fold_system": draw(st.booleans())},
        "tasks": {
            "origins": {"given": {"file": "data/tasks.jsonl"}, "own": {"texts": {"x": "Sing.", "y": draw(texts(4))}}},
            "n": draw(st.sampled_from([None, 4])),
            "stratified": draw(st.booleans()),
        },
        "models": models,
        "completions": {
            "sampling": sampling, "seeds": draw(st.sampled_from([[0], [1, 2**31 - 1]])),
            "do_not_mention": draw(st.booleans()),
        },
        "instruments": {key: INSTRUMENTS[key](draw, sampling) for key in wanted},
        "seeds": draw(st.sampled_from([[0], [0, 1]])),
        "samples": draw(st.integers(1, 2)),
        "polarity": {"anchors": ANCHORS},
        "reliability": {"min_tasks": 3},
        "fit": {"models": draw(st.sampled_from([["item_variances"], ["case_v", "davidson"], ["bradley_terry"]]))},
        "selection": {"batch": 2, "max_rounds": 2},
        "statistics": {"resamples": 100},
    }  # fmt: skip
    if "words" in wanted:
        study["parsing"] = {"tone": draw(st.sampled_from(JUDGES))}
    if draw(st.integers(0, 3)) == 0:
        study.setdefault("parsing", {})["judge"] = "rater"
    if draw(st.integers(0, 3)) == 0:
        study.setdefault("parsing", {})["refusal"] = draw(st.sampled_from(JUDGES))
    if draw(st.booleans()):
        study["contexts"] = {
            "turns": {"glad": {"text": f"{draw(texts(3))} glad", "mentions": ["glad"]}},
            "completion": draw(st.sampled_from([["none"], ["none", "glad"]])),
            "measurement": draw(st.sampled_from([["none", "glad"], ["glad"]])),
        }
    return {
        "study": study,
        "rows": [_task(draw, k) for k in range(draw(st.integers(3, 6)))],
        "family": draw(st.sampled_from(FAMILIES)),
        "template": draw(st.sampled_from(sorted(ALL))),
        "slip": draw(st.sampled_from(SLIPS)),
        "bom": draw(st.booleans()),
        "event": draw(st.sampled_from(["", "", "full disk", "kill"])),
        "at": draw(st.sampled_from(STAGES)),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


def _rating(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    numbers = {"lowest": draw(st.sampled_from([-2, 1])), "highest": draw(st.sampled_from([3, 10]))}
    scale = draw(st.sampled_from([numbers, {"labels": {"awful": -1.0, "so so": 0, "great": 1}}]))
    template = {"kind": "rating", "before": "{task} " + draw(texts(2)), "after": draw(texts(3)), "scale": scale}
    if "labels" not in scale:
        template["polarity"] = draw(st.sampled_from(["higher_is_better", "lower_is_better"]))
    forms = st.sampled_from(["plain", "plain", "xml", "tool", "reasoned"])
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "format": draw(forms),
            "sampling": sampling, "method": draw(st.sampled_from(["auto", "auto", "sample"]))}  # fmt: skip


def _choice(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "choice", "before": "{task_a} or {task_b}? " + draw(texts(2)), "after": draw(texts(3))}
    design = draw(st.sampled_from(["all", "regular", "active"]))
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "sampling": sampling,
            "method": draw(st.sampled_from(["auto", "auto", "sample"])),
            "pairs": {"design": design, "degree": 2, "orders": draw(st.sampled_from(["both", "random"]))}}  # fmt: skip


def _order(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "ranking", "before": "{tasks} " + draw(texts(2))}
    ranking = {"size": 3, "appearances": draw(st.integers(1, 2))}
    return {"template": template, "when": "before", "sampling": sampling, "ranking": ranking}


def _words(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "open", "before": "{task} " + draw(texts(2)), "after": draw(texts(3))}
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "sampling": sampling}


INSTRUMENTS = {"stars": _rating, "likes": _rating, "pick": _choice, "order": _order, "words": _words}


def _task(draw: st.DrawFn, k: int) -> dict[str, Any]:
    """A task in one of the forms of a line."""
    text = f"{draw(texts())} {k}?"
    form = draw(st.sampled_from(["text", "text", "task_text", "prompt"]))
    return {form: text, **({"id": f"row {k}"} if draw(st.booleans()) else {})}


class PreferencesFolder(Folder):
    """A study of preferences."""

    def write_data(self) -> None:
        slip, study = self.case["slip"], self.study
        rows = [dict(row) for row in self.case["rows"]]
        match slip:
            case "one task":
                del rows[1:]
                study["tasks"]["origins"].pop("own")
            case "long task":
                rows[0] = {"text": "owl " * 400}
            case "one id twice":
                rows[:2] = [{**row, "id": "same"} for row in rows[:2]]
            case "blank task":
                rows[0] = {"text": " \n"}
            case "anchor id":
                rows[0]["id"] = "@good:0"
            case "long turn" if "contexts" in study:
                study["contexts"]["turns"]["glad"]["text"] = "owl " * 400
            case "model" if "b" in study["models"]:
                study["models"]["b"]["model"] = {"path": "no/such/../model"}
            case "few for a group" if "order" in study["instruments"]:
                study["instruments"]["order"]["ranking"]["size"] = 8
                study["tasks"]["n"] = 4
            case "no such pair" if "pick" in study["instruments"]:
                study["instruments"]["pick"]["pairs"] = {"design": "listed", "listed": [["x", "z"]]}
            case _:
                self._slip_template(slip)
        self.lines("tasks.jsonl", rows, slip)
        self.written = rows

    def _slip_template(self, slip: str) -> None:
        for given in self.study["instruments"].values():
            template = given["template"]
            match slip:
                case "no slot":
                    template["before"] = "Well?"
                case "long question":
                    template[given["when"]] = f"{template[given['when']]} {'owl ' * 400}"
                case "overlapping labels" if "scale" in template:
                    template["scale"] = {"labels": {"good": 1, "good one": 2}}

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        return study_stages(self.root, drawn=drawn)

    def check_numbers(self) -> None:
        compared = 0
        for key, given in self.study["instruments"].items():
            if given["when"] == "before" and given.get("format", "plain") == "plain":
                compared += self._check_shares(key)
        self._check_ratings()
        assert compared >= 0

    def _check_shares(self, key: str) -> int:
        """Probabilities of answers to the first questions of the study's own model, which show no completion."""
        rows = self.rows("choose/answers/*/candidates.parquet")
        if not rows:
            return 0
        found: dict[str, dict[str, float]] = {}
        for row in rows:
            if row["id"].startswith(f"{key}|a|-|"):
                found.setdefault(row["id"], {})[row["candidate"]] = row["logprob"]
        from transformers import AutoModelForCausalLM

        tokenizer = renamed_tokenizer(self.model, self.model.with_name(f"{self.model.name}-renamed"))
        model = AutoModelForCausalLM.from_pretrained(self.model, dtype=torch.float64).eval()
        known = self._tasks()
        shown = [name for name in found if "@" not in name][:2] + [name for name in found if "@" in name][:1]
        for name in shown:
            question, spellings = self._asked(key, [known[one] for one in name.split("|", 3)[3].split(" > ")])
            system = self.study["model"]["system"].get("text")
            prompt = asked(self.case["template"], system, question, fold=self.study["model"]["fold_system"])
            expected = probabilities(model, tokenizer, prompt, spellings)
            for one, p in expected.items():
                np.testing.assert_allclose(np.exp(found[name][one]), p, rtol=1e-2, atol=1e-6, err_msg=f"{name} {one}")
        return len(shown)

    def _tasks(self) -> dict[str, str]:
        known = dict(self.study["tasks"]["origins"].get("own", {}).get("texts", {}))
        for k, row in enumerate(self.written):
            text = next(row[name] for name in ("text", "task_text", "prompt") if name in row)
            known[row.get("id", f"given_{k}")] = text
        known |= {f"@{side}:{k}": one["task"] for side, own in ANCHORS.items() for k, one in enumerate(own)}
        return known

    def _asked(self, key: str, tasks: list[str]) -> tuple[str, dict[str, list[str]]]:
        """The text of a question, and the spellings of its answers."""
        template = self.study["instruments"][key]["template"]
        text = template["before"].replace("{{", "{").replace("}}", "}")
        if template["kind"] == "choice":
            text = text.replace("{task_a}", tasks[0], 1).replace("{task_b}", tasks[1], 1).strip()
            labels = {one: [*cased([one]), f"Task {one}", f" Task {one}", f"task {one}"] for one in "AB"}
            line = "Answer with A or B and nothing else."
        else:
            text = text.replace("{task}", tasks[0], 1).strip()
            scale = template["scale"]
            if "labels" in scale:
                names = list(scale["labels"])
                line = f"Answer with one of the words {', '.join(names)} and nothing else."
            else:
                names = [str(number) for number in range(scale["lowest"], scale["highest"] + 1)]
                line = f"Answer with a whole number from {scale['lowest']} to {scale['highest']} and nothing else."
            labels = {name: cased([name]) for name in names}
        labels["refused"] = [space + one for one in OPENINGS for space in ("", " ")]
        return f"{text}\n\n{line}", labels

    def _check_ratings(self) -> None:
        """Expectations are those of the probabilities, and answers are on the scale, the good end on top."""
        path = self.root / "results/fuzz/analyse/ratings.parquet"
        for row in pq.read_table(path).to_pylist() if path.exists() else []:
            template = self.study["instruments"][row["instrument"]]["template"]
            if template["kind"] != "rating" or row["category"] != "answered":
                continue
            scale = template["scale"]
            value = scale["labels"][row["answer"]] if "labels" in scale else int(row["answer"])
            if template.get("polarity") == "lower_is_better":
                value = scale["lowest"] + scale["highest"] - value
            assert row["value"] == value, json.dumps(row)
