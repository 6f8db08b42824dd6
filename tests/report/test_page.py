"""The page says what was found, what it rests on, and what is missing; it needs no other file."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from inoc.config.judge_spec import JudgeSpec
from inoc.config.load import load_study
from inoc.errors import DataError
from inoc.figures.entries import figure_names
from inoc.report.manifests import Manifest, package_versions, read_manifests, wall_by_stage
from inoc.report.page import Figure, by_category, html, markdown, page_values, skipped_things, skipped_words
from inoc.report.pictures import packed, placeholder, plain_uri
from inoc.report.provenance import api_table
from inoc.report.step import run
from inoc.report.words import code, counted, escape, interval, measured, number, plain, probability
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.sections import contents
from inoc.studies.inoculation.sections.methods import (
    data_words,
    evaluation_words,
    judge_words,
    rephrase_words,
    training_words,
)
from inoc.studies.inoculation.sections.results import seed_verdicts
from support.study_tables import FakeJob, make_study, write_records, write_tables

NAN = float("nan")
PIXEL = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> FakeJob:
    """A study with holes and gaps in its manifests; the figures are stand-ins."""
    job = FakeJob(make_study(), tmp_path_factory.mktemp("results"))
    write_tables(job.paths, job.study)
    write_records(job.paths, job.study)
    folder = job.paths.stage("figures")
    folder.mkdir(parents=True)
    for name in figure_names(ENTRIES, job.study):
        if name == "curves_linear":
            continue
        (folder / f"{name}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        (folder / f"{name}.rst").write_text(rf"Caption of a\_b, n = 3, {name}.")
    run(job, contents(job.study, job.paths))  # type: ignore[arg-type]
    return job


@pytest.fixture(scope="module")
def text(job: FakeJob) -> str:
    return (job.paths.stage("report") / "appendix.md").read_text()


@pytest.fixture(scope="module")
def page(job: FakeJob) -> str:
    return (job.paths.stage("report") / "appendix.html").read_text()


class Links(HTMLParser):
    """What a page loads, its anchors, and tags that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.anchors: list[str] = []
        self.targets: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.sources += [values["src"]] if "src" in values else []
        self.anchors += [values["id"]] if "id" in values else []
        self.targets += [values["href"]] if "href" in values else []
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def section(text: str, heading: str) -> str:
    """The text below a heading, up to the next of its rank."""
    rank = heading.split()[0]
    return text.partition(f"{heading}\n")[2].partition(f"\n{rank} ")[0]


def rows(text: str) -> list[list[str]]:
    """The rows of a Markdown table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_html_loads_nothing_and_its_links_lead_somewhere(page: str) -> None:
    links = Links(page)
    assert links.open == []
    assert links.sources
    assert all(source.startswith("data:image/") for source in links.sources)
    assert all(target[0] == "#" and target[1:] in links.anchors for target in links.targets)
    assert len(set(links.anchors)) == len(links.anchors)


def test_text_of_a_study_cannot_become_markup(page: str, text: str) -> None:
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<h1" in page
    assert "Toy_study with *marks*" in re.sub(r"<[^>]+>", "", page)
    table = rows(section(text, "## Expectations"))
    assert all(len(row) == len(table[0]) for row in table)


def test_the_verdict_names_the_seed_that_does_not_show_it(text: str) -> None:
    assert "**Over all seeds:** 3 of 3 statements hold" in section(text, "## Verdict")
    words = section(text, "## The verdict, continued")
    assert re.search(r"\*\*Seed 1:\*\* 2 of 3 statements hold.*Not so: The trait leaks", words)
    broken = [row for row in rows(section(text, "## Expectations")) if "**no**" in row]
    assert len(broken) == 1
    assert broken[0][2] == "1"


def test_a_correlation_stands_beside_its_held_out_r2(text: str) -> None:
    found = [row for row in rows(section(text, "## Expectations")) if row[0].startswith("PH predicts")]
    assert {row[4].replace("\u00a0", " ") for row in found} == {"0.60 [0.10, 0.80]"}


def test_every_measured_cell_has_an_interval_and_n(text: str) -> None:
    for heading in ("### Playful: scores after training", "### French: scores after training", "### The gate"):
        table = rows(section(section(text, "## Results"), heading))[2:]
        first = 3 if heading == "### The gate" else 1
        cells = [cell.replace("\u00a0", " ") for row in table for cell in row[first:] if cell != "–"]
        assert len(cells) > 12
        assert all(
            re.fullmatch(r"(−?[\d.]+ \[−?[\d.]+, −?[\d.]+\]|failed) \(n = \d+(, \d+ NaN)?\)", cell) for cell in cells
        )


def test_the_table_per_prompt_shows_the_scores_of_the_analysis(job: FakeJob, text: str) -> None:
    scores = pd.read_parquet(job.paths.table("scores"))
    row = scores.query(
        "trait == 'playful' and seed == 'all' and step == 60 and prompt == 'comedian' and prefix == 'mix' "
        "and condition == 'training'"
    ).iloc[0]
    table = rows(section(text, "### Playful: scores after training"))
    shown = next(line for line in table if line[0] == "`comedian`")[table[0].index("mix, training")]
    assert shown == measured(row)
    assert shown.startswith(f"{row['value']:.1f}")


def test_counts_are_listed_by_reason(text: str) -> None:
    assert rows(section(text, "### Data"))[2:] == [
        ["kept", "3"],
        ["dropped: empty", "2"],
        ["dropped: truncated", "1"],
        ["sampled", "6"],
    ]


def test_what_a_manifest_lacks_is_said_to_be_missing(text: str) -> None:
    jobs = {row[0]: row for row in rows(section(text, "### Jobs"))}
    assert jobs["`train-1`"][3] == "`not recorded`"
    assert jobs["`score-0`"][3] == f"`{'ab' * 32}`"
    assert jobs["`score-0`"][5] == "3 found, 4 computed"
    assert jobs["`generate-0`"][6] == "kept 5, not kept (empty 2)"
    times = {row[0]: row[2] for row in rows(section(text, "### Wall time"))}
    assert times["`generate`"] == "1 min 02 s"
    assert times["`train`"] == "not recorded"
    assert times["**all**"] == "1 min 04 s (1 stages not recorded)"


def test_versions_seeds_and_digests_are_all_there(text: str) -> None:
    assert ["torch", "2.12.0, 2.13.0"] in rows(section(text, "### Packages"))
    assert ["training", "0, 1"] in rows(section(text, "### Seeds"))
    assert any("cd" * 32 in row[1] for row in rows(section(text, "## Provenance")))


def test_skipped_things_missing_figures_and_warnings_are_listed(job: FakeJob, text: str) -> None:
    words = section(text, "## What was skipped, and what failed")
    assert "suppression at learning rate 3: no control of that rate" in words
    assert r"figure curves\_linear: it has not been drawn" in words
    assert r"Warning of `train-1`: loss \| rose" in words
    assert len(skipped_things(contents(job.study, job.paths), job.paths)) == 2


def test_a_study_of_which_nothing_is_there_still_gives_a_page(tmp_path: Path) -> None:
    bare = FakeJob(make_study(runs=[], expect=None, world=None, model={"path": "some/model"}), tmp_path)
    run(bare, contents(bare.study, bare.paths))  # type: ignore[arg-type]
    text = (bare.paths.stage("report") / "appendix.md").read_text()
    assert "states no expectation" in text
    assert "not recorded" in text
    assert "The study trains no runs." in text
    assert ["The gate", "the study trains no runs"] in rows(section(text, "### Figures that do not apply"))
    assert "some/model" in text


def test_figures_stand_by_category_and_the_contents_lead_to_each(text: str, page: str) -> None:
    headings = re.findall(r"^#{3,4} .*$", section(text, "## Further figures"), flags=re.MULTILINE)
    further = [entry for entry in ENTRIES if not entry.core]
    drawn = by_category([Figure(entry.title, entry.category, "", "", "", core=False) for entry in further])
    expected = [line for name, found in drawn.items() for line in (f"### {name}", *(f"#### {f.title}" for f in found))]
    assert [line for line in headings if line in expected] == [line for line in expected if line in headings]
    navigation = page[page.index("<nav") : page.index("</nav>")]
    for line in headings:
        assert f">{line.lstrip('# ')}</a>" in navigation


def test_the_figures_that_carry_the_result_come_first_with_their_captions(text: str) -> None:
    first = section(text, "## The figures that carry it")
    core = [entry for entry in ENTRIES if entry.core and entry.name != "capability"]  # the study asks no such questions
    assert re.findall(r"^### (.*)$", first, flags=re.MULTILINE) == [entry.title for entry in core]
    assert all(f"Caption of a\\_b, n = 3, {entry.name}." in first for entry in core)
    order = [text.index(f"## {heading}") for heading in ("Verdict", "The figures", "How to read", "Results", "Further")]
    assert order == sorted(order)


def test_the_verdict_of_the_first_page_has_three_sentences_and_the_others_come_before_the_results(text: str) -> None:
    first, more = (
        re.findall(r"^- (.*)$", section(text, heading).partition("###")[0], flags=re.MULTILINE)
        for heading in ("## Verdict", "## The verdict, continued")
    )
    assert len(first) == 3
    assert [words.split("**")[1] for words in first] == ["Over all seeds:", "Playful", "French"]
    assert [words.split("**")[1] for words in more] == ["Seed 0:", "Seed 1:"]
    assert text.index("## How to read this") < text.index("## The verdict, continued") < text.index("## Expectations")


def test_the_beginning_of_the_page_can_stand_in_snakemake_s_report(job: FakeJob, page: str) -> None:
    """It has the verdict, the numbers, the main figures with their captions and the glossary, and needs no script."""
    front = (job.paths.stage("report") / "front.html").read_text()
    for words in (
        "<h1>Toy_study with *marks*</h1>",
        "Verdict",
        "In numbers",
        "The figures that carry it",
        "selectivity",
    ):
        assert words in front
    assert front.count("<img ") == sum(entry.core is True and entry.name != "capability" for entry in ENTRIES)
    assert "n = 3, bars" in front
    assert "Provenance" not in front
    assert "<script" not in front
    assert "data-svg" not in front
    assert not re.search(r" id=", front)
    loaded = Links(front)
    assert all(source.startswith("data:") for source in loaded.sources)
    assert not loaded.open


def test_figures_that_the_study_does_not_ask_for_are_named(tmp_path: Path) -> None:
    bare = FakeJob(make_study(figures="core"), tmp_path)
    run(bare, contents(bare.study, bare.paths))  # type: ignore[arg-type]
    text = (bare.paths.stage("report") / "appendix.md").read_text()
    named = section(text, "### Figures that the study does not ask for")
    assert "figures: all" in named
    assert "Training loss" in named
    assert "The gate" not in named
    assert "figure losses" not in section(text, "## What was skipped")


def test_the_first_page_says_what_becomes_of_the_wanted_trait(text: str) -> None:
    verdict = section(text, "## Verdict")
    assert re.search(r"\*\*French\*\*, which is wanted, is at [\d.]+", verdict)
    table = rows(section(text, "### In numbers"))
    assert table[0][2:] == ["Playful (unwanted)", "held back by", "French (wanted)", "held back by", "selectivity"]
    assert table[2][0] == "no prefix (control)"
    assert table[3][:2] == ["`comedian`", "fixed"]
    assert all(len(row) == len(table[0]) for row in table)


def test_what_could_not_be_measured_neither_holds_nor_fails() -> None:
    row = {"text": "It leaks", "prompt": "", "prefix": "none", "seed": "all", "value": NAN}
    verdict = pd.DataFrame(
        [
            {**row, "holds": False, "clear": False, "answer": "not measurable"},
            {**row, "value": 3.0, "holds": True, "clear": True, "answer": "holds"},
        ]
    )
    (words,) = seed_verdicts(verdict)
    assert "1 of 2 statements hold" in words
    assert "Not so" not in words
    assert words.endswith("Not measurable, for too many scores failed or are absent: It leaks (control).")


def test_labels_tell_the_figures_of_a_category_apart() -> None:
    """Snakemake's own report has a table of figures for each category, with a column for each label."""
    labels = [(entry.category, *sorted(entry.labels.items())) for entry in ENTRIES]
    assert len(set(labels)) == len(labels)
    assert len({tuple(entry.labels) for entry in ENTRIES}) == 1


def test_a_wide_figure_scrolls_in_a_box_and_keeps_its_size(page: str) -> None:
    assert page.count('<div class="figure"') == page.count("<img ") > 0
    assert re.search(r"\.figure \{[^}]*overflow-x: auto", page)
    assert re.search(r"\.figure img \{[^}]*min-width: 700px", page)


def test_things_skipped_for_one_reason_share_a_line(tmp_path: Path) -> None:
    job = FakeJob(make_study(runs=[], expect=None), tmp_path)
    folder = job.paths.stage("analyse")
    folder.mkdir(parents=True)
    things = [{"what": f"thing {n}", "why": "no *data*"} for n in range(20)] + [{"what": "other", "why": "no time"}]
    (folder / "skipped.json").write_text(json.dumps(things))
    lines = skipped_words(contents(job.study, job.paths), job.paths)
    assert lines[0].startswith(r"no \*data\*: thing 0; thing 1;")
    assert lines[0].endswith("and 8 more (20 things)")
    assert lines[1] == "other: no time"


def test_what_an_import_noticed_is_on_the_page(tmp_path: Path) -> None:
    job = FakeJob(make_study(runs=[], expect=None), tmp_path)
    folder = job.paths.stage("imports")
    folder.mkdir(parents=True)
    findings = [
        {"level": "found", "topic": "runs", "place": "a.json", "text": "3 runs"},
        {"level": "left_out", "topic": "judges", "place": "b.json", "text": "scores | of another judge"},
    ]
    (folder / "findings.json").write_text(json.dumps(findings))
    text = markdown(page_values(contents(job.study, job.paths), job.paths))
    noticed = rows(section(text, "## What the import noticed"))
    assert noticed[2:] == [["left out", "judges", "b.json", r"scores \| of another judge"]]


def test_the_same_results_give_the_same_page(job: FakeJob, text: str) -> None:
    again = markdown(page_values(contents(job.study, job.paths), job.paths))
    assert again == text
    folder = job.paths.stage("report")
    assert html(again, job.study.title, folder) == (folder / "appendix.html").read_text()


def test_a_manifest_that_is_not_an_object_is_refused(tmp_path: Path) -> None:
    job = FakeJob(make_study(), tmp_path)
    path = job.paths.manifest("score", 0)
    path.parent.mkdir(parents=True)
    path.write_text("[1]")
    with pytest.raises(DataError, match="list"):
        read_manifests(job.paths)
    path.write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        read_manifests(job.paths)


def test_manifests_come_in_the_order_of_the_stages(job: FakeJob) -> None:
    manifests = read_manifests(job.paths)
    assert [one.job for one in manifests] == ["generate-0", "score-0", "train-0", "train-1"]
    assert wall_by_stage(manifests) == {"generate": 61.5, "score": 2.25, "train": None}
    assert package_versions(manifests) == {"torch": ["2.12.0", "2.13.0"]}
    assert manifests[1].text("store", "hits") == "3"
    assert manifests[1].text("store", "hits", "deeper") is None


def test_manifests_of_former_shards_do_not_count(job: FakeJob) -> None:
    present = {"generate-0", "score-0", "train-0", "analyse-0"}
    assert [one.job for one in read_manifests(job.paths, present)] == ["generate-0", "score-0", "train-0"]


def test_the_page_counts_the_present_shards_only(tmp_path: Path) -> None:
    job = FakeJob(make_study(), tmp_path)
    write_tables(job.paths, job.study)
    write_records(job.paths, job.study)
    pages = []
    for job.present in (None, frozenset({"generate-0", "score-0", "train-0"})):
        run(job, contents(job.study, job.paths))  # type: ignore[arg-type]
        pages.append((job.paths.stage("report") / "appendix.md").read_text())
    assert ["train-0" in page for page in pages] == [True, True]
    assert ["train-1" in page for page in pages] == [True, False]


def test_a_large_svg_is_replaced_by_its_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inoc.report.pictures.MOST_SVG_BYTES", 10)
    (tmp_path / "x.svg").write_text("<svg>" + " " * 20 + "</svg>")
    (tmp_path / "x.png").write_bytes(PIXEL)
    assert plain_uri(tmp_path / "x.svg").startswith("data:image/png;base64,")


def test_a_figure_inside_the_page_is_the_figure(tmp_path: Path) -> None:
    image = tmp_path / "x.svg"
    image.write_text("<svg title=\"50 % of #1 & '2'\">≥ −</svg>", encoding="utf-8")
    uri = plain_uri(image)
    assert not set(uri) & set('#"<>&')
    assert unquote(uri.partition(",")[2]) == image.read_text(encoding="utf-8")
    assert gzip.decompress(base64.b64decode(packed(image))) == image.read_bytes()
    assert packed(image) == packed(image)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(12.34, 1, "12.3"), (-0.04, 1, "0.0"), (-3.0, 0, "−3"), (NAN, 1, "failed")],
)
def test_numbers_have_true_minus_signs_and_nan_is_failed(value: float, digits: int, expected: str) -> None:
    assert number(value, digits) == expected


def test_an_empty_picture_keeps_the_place_of_a_packed_one(tmp_path: Path) -> None:
    image = tmp_path / "x.svg"
    image.write_text('<svg viewBox="0 0 720 345.6"/>')
    assert "width='720' height='345.6'" in placeholder(image)


def test_no_probability_is_printed_as_zero() -> None:
    assert [probability(value) for value in (0.0, 0.0004, 0.001, 0.25, NAN)] == [
        *("<\u00a00.001", "<\u00a00.001", "0.001", "0.250", "failed"),
    ]


def test_intervals_and_counts_do_not_break() -> None:
    assert interval(1.0, -2.0, 3.0) == "1.0\u00a0[−2.0,\u00a03.0]"
    assert interval(1.0, NAN, 3.0) == "1.0 [no interval]"
    assert interval(NAN, 0.0, 1.0) == "failed"
    assert counted(5, 2) == "n\u00a0=\u00a05,\u00a02\u00a0NaN"
    assert counted(NAN) == "n\u00a0=\u00a00"


def test_markdown_is_escaped_and_code_is_fenced() -> None:
    assert escape("a|b_c\n<d>") == r"a\|b\_c \<d\>"
    assert code("a|b") == r"`a\|b`"
    assert code("x `y` ``z``") == "``` x `y` ``z`` ```"
    assert code(" ") == "(empty)"


def test_manifest_values_are_put_in_words() -> None:
    assert plain({"kept": 5, "not kept": {"empty": 2}, "seeds": [1, 2]}) == "kept 5, not kept (empty 2), seeds (1, 2)"
    assert plain(None) == "not recorded"
    assert plain(json.loads("1.5")) == "1.5"


def test_what_was_asked_of_an_api_and_what_it_cost_is_a_table() -> None:
    api = {"base_url": "http://here/v1", "mode": "batch", "requests": 3, "input tokens": 150, "dollars": 0.0001}
    table = api_table([Manifest("judge", "judge-elicit-0", {"api": api}), Manifest("train", "train-0", {"api": {}})])
    (row,) = table.rows
    assert dict(zip(table.head, row, strict=True)) == {
        "job": "`judge-elicit-0`",
        "API": "`http://here/v1`",
        "mode": "batch",
        "requests": "3",
        "answered now": "not recorded",
        "refused": "not recorded",
        "input tokens": "150",
        "output tokens": "not recorded",
        "dollars": "0.0001",
        "dollars of lost answers": "not recorded",
    }


def test_a_judge_that_asks_a_model_is_described_by_model_question_and_scale() -> None:
    judge = JudgeSpec(name="llm", model="rater", question="language", language="french", scale="0-9", temperature=0.5)
    words = judge_words(judge)
    for part in ("`rater`", "French", "from 0 to 9", "temperature 0.5", "0.80"):
        assert part in words


def test_the_methods_name_every_set_of_questions_pool_and_dataset() -> None:
    study = load_study("mini_emergent", Path(__file__).parents[2] / "config")
    data = data_words(study)
    for part in (
        "Instructions are those of `config/data/mini_emergent/train.jsonl`",
        "2 sets of 100 evaluation questions: `free_form`, procedural, on 5 topics",
        "`in_distribution`, held out from the training data",
        "Another dataset, `subtle`",
        "under the system turn `You enjoy telling jokes.`",
    ):
        assert part in data
    assert "8 of them have a pool of 400 rephrasings" in rephrase_words(study)
    assert "There are 26 runs, 1 of them controls without a prefix, 1 on other data without a prefix" in training_words(
        study
    )
    assert "100 evaluation instructions of each set" in evaluation_words(study)
