"""Writing the site of a study: its page, its lists, its figures and its tokens."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.errors import DataError
from inoc.report.page import page_values
from inoc.store.core import replaced
from inoc.view.data import Form, Written, chunks, column_array, script_json
from inoc.view.declare import Source, View
from inoc.view.figures import captions, write_figures
from inoc.view.pages import index_page
from inoc.view.tokens import BLOCK, write_tokens

if TYPE_CHECKING:
    from collections.abc import Collection

    from inoc.digest import Json
    from inoc.jobs.paths import Paths
    from inoc.report.contents import Contents

MARK = "data/site.js"
"""A file that every site has: a folder with it may be replaced by another site."""


class Site(NamedTuple):
    """A site that has been written."""

    folder: Path
    files: int
    size: int  # bytes
    rows: int

    def summary(self) -> str:
        """One line for the user."""
        return f"{self.rows:,} rows in {self.files} files, {self.size / 1e6:.1f} MB: {self.folder / 'index.html'}"


def write_site(
    view: View, contents: Contents, paths: Paths, out: Path, *, form: Form, tokens: bool, jobs: Collection[str] | None
) -> Site:
    """Write the site beside its place and put it there when it is whole.

    Args:
        view: Of the study, from its kind.
        contents: Of the study's report, from its kind.
        paths: Its results.
        out: Folder of the site; an earlier site there is replaced.
        form: Scripts for a page that is opened from its folder, or files for a server.
        tokens: Whether the values of single tokens are written.
        jobs: Names of the study's present jobs, whose manifests count; None: all of them.

    Raises:
        DataError: If the folder holds something else, or if a table cannot be read.
    """
    _refuse_foreign(out)
    with replaced(out) as building:
        rows = _write(view, contents, paths, building, form, tokens=tokens, jobs=jobs)
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return Site(out, len(sizes), sum(sizes), rows)


def _refuse_foreign(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        msg = f"{out} is not a folder. Name another one with --out"
        raise DataError(msg)
    if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
        msg = f"{out} holds files that are no site, which would be lost. Name a new or empty folder with --out"
        raise DataError(msg)


def _write(
    view: View,
    contents: Contents,
    paths: Paths,
    out: Path,
    form: Form,
    *,
    tokens: bool,
    jobs: Collection[str] | None,
) -> int:
    data = Written(out / "data", form)
    data.folder.mkdir()
    values = page_values(contents, paths, jobs)
    blocks = {one.name: write_tokens(one, data) for one in view.tokens} if tokens else {}
    sources = [_write_source(source, view, blocks, data) for source in view.sources]
    site: dict[str, Json] = {
        "form": form,
        "title": contents["title"],
        "sources": [meta for meta, _ in sources],
        "figures": write_figures(contents, paths, data),
        "absent": absent_words(view, paths),
        "tokens": {"written": bool(blocks), "possible": bool(view.tokens)},
    }
    (out / MARK).write_text(f"inocSite({script_json(site)});\n", encoding="ascii")
    page = index_page(values, view.numbers, captions(contents, paths))
    (out / "index.html").write_text(page, encoding="utf-8")
    copy_static(out)
    return sum(rows for _, rows in sources)


def absent_words(view: View, paths: Paths) -> list[Json]:
    """Sentences on lists that are not there.

    Args:
        view: Of the study, from its kind.
        paths: Its results.
    """
    if (paths.stage("imports") / "findings.json").exists():
        words = (
            "The results were imported. There are lists of what the release has row by row; its summaries are on the "
        )
        return [f"{words}pages Figures and Numbers."]
    if not view.sources and not view.absent:
        return ["No table of rows has been computed."]
    return list(view.absent)


def copy_static(out: Path) -> None:
    """Copy the scripts, the style and the libraries with their licences."""
    with resources.as_file(resources.files("inoc.view") / "static") as static:
        shutil.copytree(static, out, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _write_source(
    source: Source, view: View, blocks: dict[str, dict[str, int]], data: Written
) -> tuple[dict[str, Json], int]:
    frame = source.read().reset_index(drop=True)
    shown = [column for column in source.columns if column.name in frame]
    arrays = {"id": pa.array(row_ids(frame, source.key))}
    arrays |= {column.name: column_array(frame[column.name]) for column in shown}
    texts = [text for text in source.texts if text.column in frame]
    answer = next((text.column for text in texts if text.role == "answer"), texts[0].column if texts else "")
    if answer:
        frame[answer] = frame[answer].fillna("").astype(str)
        arrays["characters"] = pa.array(frame[answer].str.len().to_numpy(dtype=np.int32))
    token = next((one for one in view.tokens if one.name == source.tokens and one.name in blocks), None)
    if token is not None:
        found = frame[token.answer].map(blocks[token.name])
        arrays["token_block"] = pa.array([None if value != value else int(value) for value in found], pa.int32())
        arrays["token_values"] = pa.array(["no" if value != value else "yes" for value in found])
        arrays["token_answer"] = pa.array(frame[token.answer].tolist(), pa.string())
    data.write(f"rows-{source.name}", pa.table(arrays))
    texts_frame = pd.DataFrame({text.column: frame[text.column].fillna("").astype(str) for text in texts})
    starts: list[Json] = []
    for number, (start, table) in enumerate(chunks(texts_frame) if len(texts_frame.columns) else ()):
        data.write(f"texts-{source.name}-{number}", table)
        starts.append(start)
    return _source_meta(source, shown, answer, starts, len(frame), token_block=token is not None), len(frame)


def _source_meta(
    source: Source, shown: Sequence[object], answer: str, starts: list[Json], n: int, *, token_block: bool
) -> dict[str, Json]:
    columns: list[Json] = [
        {
            "name": column.name,
            "label": column.label or column.name.replace("_", " "),
            "help": column.help,
            "score": column.score,
            "top": column.top,
            "listed": column.listed,
        }
        for column in source.columns
        if column in shown
    ]
    if token_block:
        words = "whether log-probabilities of its tokens are here"
        columns.append(
            {"name": "token_values", "label": "token values", "help": words, "score": False, "listed": False}
        )
    compare = source.compare._asdict() if source.compare else None
    matrix = source.matrix._asdict() if source.matrix else None
    return {
        "name": source.name,
        "title": source.title,
        "about": source.about,
        "n": n,
        "columns": columns,
        "texts": [text._asdict() for text in source.texts],
        "answer": answer,
        "mask": source.mask,
        "compare": compare,
        "matrix": matrix,
        "dropped": source.dropped,
        "follows": dict(source.follows),
        "words": dict(source.words),
        "scored_by": list(source.scored_by),
        "starts": starts,
        "tokens": source.tokens if token_block else "",
        "block": BLOCK,
    }


def row_ids(frame: pd.DataFrame, key: Sequence[str]) -> np.ndarray:
    """Numbers that name rows in addresses: they depend on a row's key alone, and JavaScript holds them exactly.

    Args:
        frame: The rows.
        key: Columns that identify one.

    Returns:
        Whole numbers below 2^53, shape (rows,), as float64.
    """
    texts = frame[[name for name in key if name in frame]].astype(object).fillna("").astype(str)
    texts["again"] = texts.groupby(list(texts), sort=False, dropna=False).cumcount()  # rows of one key stay apart
    hashed = pd.util.hash_pandas_object(texts, index=False).to_numpy(dtype=np.uint64)
    return (hashed >> np.uint64(11)).astype(np.float64)
