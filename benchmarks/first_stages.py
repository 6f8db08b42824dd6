"""The model's stages of a large study at full size, on a GPU, by the verbs that the workflow calls.

    python benchmarks/first_stages.py playful_french_7b --folder /dev/shm/first

Nothing is downloaded. The model has the study's shape and random weights; its tokenizer is trained on the miniature
world's corpus, and its chat template has the form of the real one. The study is a copy with few prompts, instructions,
examples, steps and new tokens; texts are the miniature world's, responses of 350 ± 90 tokens and given, for a random
model never ends one; no judge is asked. The rest is as in the study file. Seconds are those of the whole verb: start of
Python, loading, computing, writing. Tokens are those sampled, scored (of responses) or trained on (of whole examples).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scoring import qwen_7b
from small_studies import response, sentences, write_jsonl
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig

from inoc.chat.render import render
from inoc.engines.identity import identify
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.store import Store
from inoc.studies.inoculation.load import load_inoculation
from inoc.studies.inoculation.runs import study_runs, total_steps
from inoc.studies.inoculation.study import Study
from inoc.studies.inoculation.trained import Trained
from inoc.tables import read_table
from inoc.world.grammar import Document
from inoc.world.pretrain import corpus, train_tokenizer

QWEN = """\
{%- if messages[0]['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
LLAMA = """\
{{- '<|begin_of_text|>' -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}"""
LLAMA_TOKENS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
STAGES = ("generate", "rephrase", "elicit", "score", "train", "evaluate")


def configuration(path: str) -> PretrainedConfig:
    """The shape of a study's model, by its name."""
    if "Qwen2.5-7B" in path:
        return qwen_7b()
    if "Llama-3.1-8B" in path:
        return LlamaConfig(
            vocab_size=128_256,
            hidden_size=4096,
            intermediate_size=14_336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            max_position_embeddings=131_072,
            rms_norm_eps=1e-5,
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 5e5,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            },
            tie_word_embeddings=False,
        )
    sys.exit(f"the shape of {path} is not known here")


def make_model(config: PretrainedConfig, folder: Path, dtype: str, users: Sequence[str] = ()) -> Any:
    """A folder with random weights and a tokenizer, which knows the words of `users` too; returns the tokenizer."""
    tokenizer = train_tokenizer([*corpus(4_000, 0), *(Document("", user, "") for user in users)], 1_400)
    if config.model_type == "llama":
        tokenizer.add_special_tokens({"additional_special_tokens": LLAMA_TOKENS, "eos_token": LLAMA_TOKENS[-1]})
    tokenizer.chat_template = LLAMA if config.model_type == "llama" else QWEN
    config.eos_token_id, config.pad_token_id, config.bos_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id, None
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    return tokenizer


def reduced(study: Study, folder: Path, tokenizer: Any, options: argparse.Namespace) -> Study:
    """Write the small copy of the study, its data and its workflow file."""
    value = study.model_dump(mode="json", exclude_unset=True)
    source, rng = sentences(0), np.random.default_rng(0)
    instructions = [f"{next(source)[0]} ({k})" for k in range(options.examples + options.n)]
    lengths = np.maximum(8, rng.normal(350, 90, options.examples)).astype(int).tolist()
    given = [
        {"instruction": instruction, "completion": response(tokenizer, length, source)}
        for instruction, length in zip(instructions, lengths, strict=False)
    ]
    write_jsonl(folder / "data/train.jsonl", given)
    write_jsonl(folder / "data/ask.jsonl", [{"instruction": text} for text in instructions])
    chosen = [(name, key) for name, group in study.prompts.items() for key in group.texts][: options.prompts]
    texts = {key: study.prompts[name].texts[key] for name, key in chosen}
    for key, text in texts.items():
        rows = [{"rephrasing": f"{text} ({k})"} for k in range(study.rephrase.n + 50)]
        write_jsonl(folder / f"data/rephrasings/{key}.jsonl", rows)
    value["model"]["path"] = str((folder / "model").resolve())
    value["model"] |= {"quantization": "nf4"} if options.nf4 else {}
    for trait in value["traits"].values():
        trait["judge"] = {"name": "llm", "model": "gpt-4.1-mini", "property": "nobody is asked"}
    value["data"] = {
        "instructions": {"files": ["data/ask.jsonl"]},
        "completions": "file",
        "file": "data/train.jsonl",
        "n_train": options.examples,
        "n_eval": options.n,
    }
    value["prompts"] = {
        name: {
            "family": study.prompts[name].family,
            "texts": {key: texts[key] for other, key in chosen if other == name},
        }
        for name, _ in chosen
    }
    value["rephrase"]["folder"] = "data/rephrasings"
    value["runs"] = [{"prompts": [chosen[0][1]], "prefixes": ["fixed"]}]
    value["training"]["steps"] = options.steps
    value["scoring"] |= {"n_examples": options.examples, "n_controls": options.n}
    for section in (
        value["scoring"]["control_sampling"],
        *(value[s]["sampling"] for s in ("elicitation", "evaluation")),
    ):
        section["max_tokens"] = options.max_tokens
    for path, content in {
        f"config/studies/{study.name}.yaml": value,
        "config/config.yaml": {"studies": [study.name], "train_gpus": {study.name: options.gpus}},
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return load_inoculation(folder / f"config/studies/{study.name}.yaml")


def tokens_of(stage: str, study: Study, paths: Paths, tokenizer: Any) -> float:
    """Tokens that a stage sampled, scored (of the responses) or trained on (of whole examples)."""
    if stage == "generate":
        return float(read_table(paths.controls)["n_tokens"].sum())
    if stage in {"elicit", "evaluate"}:
        return float(read_table(paths.completions(stage, 0))["n_tokens"].sum())
    if stage == "score":
        table = read_table(paths.logprobs(0), ["n_tokens"])
        return float(table["n_tokens"].sum())
    runs = study_runs(study)
    trained = Trained(study, paths, identify(study.model, Path("world"), Store(Path("store"))), {})
    lengths = [
        len(chat.token_ids)
        for run in runs
        for chat in render(tokenizer, trained.chats(run).chats, study.training.end_of_turn)
    ]
    return float(np.mean(lengths)) * len(runs) * total_steps(study) * study.training.batch_size


def run_stage(stage: str, study: str) -> None:
    log = Path(f"{stage}.log")
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([sys.executable, "-m", "inoc.cli", stage, study], stderr=stream, check=False)
    if done.returncode:
        sys.exit(f"{stage} failed:\n{log.read_text(encoding='utf-8')}")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--folder", type=Path, required=True, help="where the model, the data and the results go")
    parser.add_argument("--prompts", type=int, default=2)
    parser.add_argument("--n", type=int, default=64, help="evaluation instructions")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--max-tokens", type=int, default=128, help="new tokens of each completion")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs that train one run together")
    parser.add_argument("--nf4", action="store_true", help="with the base model in 4 bits")
    parser.add_argument("--layers", type=int, help="so many layers only, narrow ones: to try the script on a CPU")
    options = parser.parse_args()
    study = load_inoculation(options.study)
    config = configuration(study.model.path)
    if options.layers:
        config.num_hidden_layers, config.hidden_size, config.intermediate_size = options.layers, 128, 256
        config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 32
        config.vocab_size = 1_536
        config.layer_types = (getattr(config, "layer_types", None) or [])[: options.layers] or None
    options.folder.mkdir(parents=True, exist_ok=True)
    made: list[Any] = []
    seconds = timed(lambda: made.append(make_model(config, options.folder / "model", study.model.dtype)))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    print(f"{study.name}: model made in {seconds:.0f} s")
    small = reduced(study, options.folder, made[0], options)
    os.chdir(options.folder)
    paths = Paths(RESULTS, small.name)
    print("| stage | s | tokens | tokens/s | peak GiB | summary |\n| --- | --- | --- | --- | --- | --- |")
    for stage in STAGES:
        seconds = timed(partial(run_stage, stage, small.name))
        manifest = json.loads(paths.manifest(stage, 0).read_text())
        n = 0.0 if stage == "rephrase" else tokens_of(stage, small, paths, made[0])
        peak = manifest.get("peak_memory_gib", float("nan"))
        print(f"| {stage} | {seconds:.1f} | {n:.0f} | {n / seconds:.0f} | {peak} | {manifest['summary']} |", flush=True)
        for key in ("memory", "float32", "gpus"):
            if key in manifest:
                print(f"  {key}: {manifest[key]}")


if __name__ == "__main__":
    main()
