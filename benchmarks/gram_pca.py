"""Token-wise components from a stream against scikit-learn's PCA of the same matrix, in one run.

    python benchmarks/gram_pca.py                       48 prompts × 352 k tokens, both ways
    python benchmarks/gram_pca.py --flat 1 5 20 50      the stream alone, for so many million tokens

Every measurement runs in a process of its own, from the Parquet table to the shares; its peak memory is what the
process holds beyond the libraries that it has loaded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.analyse.geometry import axes_of, token_gram
from inoc.analyse.tokens import open_tokens
from inoc.tables import LOGPROBS

TOKENS = 352
N_COMPONENTS = 8


def write_matrix(path: Path, n_prompts: int, n_examples: int) -> None:
    """A table in the layout of `score`, with responses of 176 to 528 tokens."""
    lengths = np.random.default_rng(0).integers(TOKENS // 2, TOKENS * 3 // 2, n_examples)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = pa.array([f"e{k:08d}" for k in range(n_examples)], pa.string())
    with pq.ParquetWriter(path, LOGPROBS, compression="zstd") as writer:
        for prompt in range(n_prompts + 1):
            values = np.random.default_rng(prompt).normal(-1, 0.5, int(offsets[-1])).astype(np.float32)
            starts = values.cumsum(dtype=np.float64)[offsets[1:] - 1]
            means = np.diff(starts, prepend=0) / lengths
            names = (f"p{prompt}" if prompt else "", "fixed" if prompt else "none", "train")
            columns = [pa.array([name] * n_examples).dictionary_encode() for name in names]
            columns += [ids, pa.array([""] * n_examples), pa.array(lengths, pa.int32()), pa.array(means)]
            columns.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values)))
            writer.write_table(pa.Table.from_arrays(columns, schema=LOGPROBS), row_group_size=n_examples)


def streamed(path: Path, prompts: list[str]) -> np.ndarray:
    return axes_of(token_gram(open_tokens([path], prompts, "fixed")), "pca", N_COMPONENTS).share


def whole(path: Path, prompts: list[str]) -> np.ndarray:
    from sklearn.decomposition import PCA

    with pq.ParquetFile(path) as file:
        rows = [file.read_row_group(k, columns=["logprobs"])["logprobs"] for k in range(file.num_row_groups)]
    flat = [row.combine_chunks().flatten().to_numpy().astype(np.float64) for row in rows]
    matrix = np.stack([row - flat[0] for row in flat[1:]])
    return PCA(N_COMPONENTS, svd_solver="full").fit(matrix).explained_variance_ratio_


def _memory(name: str) -> int:
    """KiB, from Linux. (`ru_maxrss` would begin with the peak of the parent.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1])


def _child(way: Callable[[Path, list[str]], np.ndarray], path: Path, prompts: list[str], send: object) -> None:
    import sklearn.decomposition  # noqa: F401  loaded either way, so that neither pays for it

    before = _memory("VmRSS")
    started = time.perf_counter()
    share = way(path, prompts)
    seconds = time.perf_counter() - started
    send.send((seconds, (_memory("VmHWM") - before) / 1024, share))  # type: ignore[attr-defined]


def measure(
    way: Callable[[Path, list[str]], np.ndarray], path: Path, n_prompts: int
) -> tuple[float, float, np.ndarray]:
    """Seconds, MiB beyond the libraries, and shares, in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(way, path, [f"p{k}" for k in range(1, n_prompts + 1)], send))
    child.start()
    send.close()
    found: tuple[float, float, np.ndarray] = receive.recv()
    child.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--flat", type=float, nargs="+", metavar="MILLION", help="only the stream, so many columns")
    parser.add_argument("--folder", type=Path, help="where the tables are written (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "logprobs-0.parquet"
        if options.flat:
            for millions in options.flat:
                write_matrix(path, options.prompts, int(millions * 1e6 / TOKENS))
                seconds, mib, _ = measure(streamed, path, options.prompts)
                print(f"{options.prompts} × {millions:g} M: {seconds:.1f} s, {mib:.0f} MiB")
            return
        write_matrix(path, options.prompts, options.examples)
        ours, theirs = (measure(way, path, options.prompts) for way in (streamed, whole))
    size = f"{options.prompts} prompts × {options.examples * TOKENS // 1000} k tokens"
    print(f"{size}: stream {ours[0]:.2f} s, {ours[1]:.0f} MiB; scikit-learn {theirs[0]:.2f} s, {theirs[1]:.0f} MiB")
    print(f"{theirs[0] / ours[0]:.1f}× faster, {theirs[1] / ours[1]:.1f}× less memory")
    print(f"largest difference of a share: {np.abs(ours[2] - theirs[2]).max():.1e}")


if __name__ == "__main__":
    main()
