"""Token-wise components from a stream against scikit-learn's PCA of the same matrix, in one run.

    python benchmarks/gram_pca.py                       48 prompts × 352 k tokens, the stream and scikit-learn in turn
    python benchmarks/gram_pca.py --flat 1 5 20 50      the stream alone, for so many million tokens

Every measurement runs in a process of its own, from the Parquet table to the shares; its peak memory is what the
process holds beyond the libraries that it has loaded (all load the same). Ratios are medians over rounds of
neighbouring runs, so that what else runs on the machine slows both alike. Tokens are multiples of 1/128 nat, as
those of a model in bfloat16 are; 50 million of them for 48 prompts take about 2.5 GB of disk, which are freed again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.studies.inoculation.analyse.geometry import axes_of, token_gram
from inoc.studies.inoculation.analyse.tokens import open_tokens
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
            values = token_values(prompt, int(offsets[-1]))
            starts = values.cumsum(dtype=np.float64)[offsets[1:] - 1]
            means = np.diff(starts, prepend=0) / lengths
            names = (f"p{prompt}" if prompt else "", "fixed" if prompt else "none", "train")
            columns = [pa.array([name] * n_examples).dictionary_encode() for name in names]
            columns += [ids, pa.array([""] * n_examples), pa.array(lengths, pa.int32()), pa.array(means)]
            columns.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values)))
            writer.write_table(pa.Table.from_arrays(columns, schema=LOGPROBS), row_group_size=n_examples)


def token_values(prompt: int, n: int) -> np.ndarray:
    """Normal values in steps of 1/128; a pool of them from a place of its own, for drawing billions takes minutes."""
    pool = np.round(np.random.default_rng(prompt).normal(-1, 0.5, min(n, 1 << 20)) * 128).astype(np.float32) / 128
    return np.resize(pool, n)


def streamed(path: Path, prompts: list[str]) -> np.ndarray:
    return axes_of(token_gram(open_tokens([path], prompts, "fixed")), "pca", N_COMPONENTS).share


def exact(path: Path, prompts: list[str]) -> np.ndarray:
    return _scikit_learn(path, "full")


def by_default(path: Path, prompts: list[str]) -> np.ndarray:
    """Of a matrix of this shape scikit-learn's default is a randomised solver, which is not exact."""
    return _scikit_learn(path, "auto")


def _scikit_learn(path: Path, solver: str) -> np.ndarray:
    from sklearn.decomposition import PCA

    with pq.ParquetFile(path) as file:
        rows = [file.read_row_group(k, columns=["logprobs"])["logprobs"] for k in range(file.num_row_groups)]
    flat = [row.combine_chunks().flatten().to_numpy().astype(np.float64) for row in rows]
    matrix = np.stack([row - flat[0] for row in flat[1:]])
    del rows, flat
    return PCA(N_COMPONENTS, svd_solver=solver, random_state=0).fit(matrix).explained_variance_ratio_


WAYS = {"stream": streamed, "scikit-learn, exact": exact, "scikit-learn, default": by_default}


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


def show_growth(options: argparse.Namespace, path: Path) -> None:
    print("| columns | seconds | MiB | ns per value |")
    print("|---:|---:|---:|---:|")
    for millions in options.flat:
        write_matrix(path, options.prompts, int(millions * 1e6 / TOKENS))
        found = [measure(streamed, path, options.prompts) for _ in range(options.repeats)]
        seconds, mib = (statistics.median(run[place] for run in found) for place in (0, 1))
        per_value = seconds * 1e9 / (millions * 1e6 * options.prompts)
        print(f"| {millions:g} M | {seconds:.1f} | {mib:.0f} | {per_value:.1f} |", flush=True)


def show_comparison(options: argparse.Namespace, path: Path) -> None:
    write_matrix(path, options.prompts, options.examples)
    rounds = [{name: measure(way, path, options.prompts) for name, way in WAYS.items()} for _ in range(options.repeats)]
    print(f"{options.prompts} prompts × {options.examples * TOKENS // 1000} k tokens, {options.repeats} rounds\n")
    print("| | seconds | × stream | MiB | × stream | largest difference of a share |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in WAYS:
        seconds, mib = (statistics.median(one[name][place] for one in rounds) for place in (0, 1))
        slower, larger = (
            statistics.median(one[name][place] / one["stream"][place] for one in rounds) for place in (0, 1)
        )
        apart = max(float(np.abs(one[name][2] - one["stream"][2]).max()) for one in rounds)
        print(f"| {name} | {seconds:.2f} | {slower:.1f} | {mib:.0f} | {larger:.1f} | {apart:.0e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--flat", type=float, nargs="+", metavar="MILLION", help="only the stream, so many columns")
    parser.add_argument("--folder", type=Path, help="where the tables are written (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "logprobs-0.parquet"
        (show_growth if options.flat else show_comparison)(options, path)


if __name__ == "__main__":
    main()
