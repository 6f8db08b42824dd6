from __future__ import annotations

from inoc.store import Store, Unit
from inoc.store.count import count


def fill(store: Store, step: str, k: int, *texts: str) -> None:
    with store.claim(Unit(step, 1, {"k": k}, f"{step} {k}")) as work:
        assert work is not None
        for place, text in enumerate(texts):
            (work / f"part-{place}").write_text(text)


def test_entries_files_and_bytes_are_counted_by_step(tmp_path):
    store = Store(tmp_path)
    for k in range(5):
        fill(store, "toy", k, "twelve bytes", "three")
    fill(store, "other", 0, "one")
    other, toy = count(store)
    assert (other.step, other.entries, other.files, other.fullest) == ("other", 1, 2, 1)  # a description each
    assert (toy.step, toy.entries, toy.files) == ("toy", 5, 15)
    described = sum(path.stat().st_size for path in tmp_path.glob("toy/*/*/*") if path.name[:4] != "part")
    assert toy.n_bytes == 5 * 17 + described


def test_the_fullest_folder_is_that_of_the_commonest_prefix(tmp_path):
    store = Store(tmp_path)
    for k in range(300):  # of 256 prefixes
        fill(store, "toy", k, "x")
    by_prefix = [len(list(folder.iterdir())) for folder in (tmp_path / "toy").iterdir()]
    (toy,) = count(store)
    assert toy.fullest == max(by_prefix) > 1
    assert toy.entries == sum(by_prefix) == 300


def test_an_empty_store_and_none_have_no_rows(tmp_path):
    assert count(Store(tmp_path)) == count(Store(tmp_path / "absent")) == []
