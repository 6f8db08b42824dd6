"""The verb `inoc numbers`: writes the beginning of a stream of prompts."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from itertools import islice

from inoc.numbers.outputs import check_outputs, write_output
from inoc.numbers.prompts import prompts


def write_prompts(options: argparse.Namespace) -> None:
    """Write the first prompts of a stream as JSONL, and say their digest.

    The `id` of a row is its place in the stream, from 0. The digest is the SHA-256 of the prompts joined by newlines.

    Args:
        options: `seed`, `n`, and `out`, without which rows go to the standard output and the digest to the other.

    Raises:
        ConfigError: If `out` cannot be a file.
    """
    check_outputs({"--out": options.out}, ())
    stream = list(islice(prompts(options.seed), options.n))
    text = "".join(json.dumps({"id": place, "prompt": prompt}) + "\n" for place, prompt in enumerate(stream))
    repeated = len(stream) - len(set(stream))
    digest = hashlib.sha256("\n".join(stream).encode()).hexdigest()
    same = f"{repeated} of them repeated" if repeated else "all different"
    said = f"{len(stream):,} prompts of seed {options.seed}, {same}; SHA-256 {digest}"
    if options.out is None:
        sys.stdout.write(text)
        print(said, file=sys.stderr)
        return
    write_output(options.out, text)
    print(f"{options.out}: {said}")
