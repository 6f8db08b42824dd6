"""Training completions from a model behind an API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inoc.api import Reply, Request
from inoc.config.models import DataSpec
from inoc.engines.sampling import Answer
from inoc.job import Job


def api_answers(job: Job, instructions: Sequence[str], asked: Counter[str]) -> list[Answer]:
    """Answers of `data.model`, one per instruction.

    Args:
        job: The job, with its API.
        instructions: What to ask.
        asked: How often each instruction was asked before; counted on. The answer to an instruction depends on this
            number and on no other instruction.
    """
    requests = []
    for instruction in instructions:
        requests.append(completion_request(job.study.data, instruction, asked[instruction]))
        asked[instruction] += 1
    return [_answer(reply) for reply in job.api.ask(requests, "asking for training completions")]


def completion_request(data: DataSpec, instruction: str, replicate: int) -> Request:
    """An instruction under the generation prompt, which is the system turn."""
    sampling = data.sampling
    return Request(
        "/chat/completions",
        {
            "model": str(data.model),
            "messages": [
                {"role": "system", "content": data.generation_prompt},
                {"role": "user", "content": instruction},
            ],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_completion_tokens": sampling.max_tokens,
            "seed": sampling.seed + replicate,
        },
        replicate,
    )


def _answer(reply: Reply) -> Answer:
    if reply.refusal:
        return Answer("", 0, "refused")
    usage = reply.response.get("usage") or {}
    finish = str(reply.choice.get("finish_reason") or "stop")
    return Answer(reply.text, int(usage.get("completion_tokens") or -1), finish)
