from __future__ import annotations

import io
import json

import pytest

from inoc.progress import duration, metered, report_line


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7440, "2 h 04 min")])
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


def test_a_line_says_done_total_rate_and_time_left():
    line = report_line("scoring", 40, 120, "examples", 10.0, 4.0)
    assert line == "scoring: 40 of 120 examples (33 %), 4 examples/s, 20 s left"
    assert report_line("scoring", 0, 120, "examples", 1.0) == "scoring: 0 of 120 examples (0 %)"
    assert report_line("scoring", 120, 120, "examples", 61.0) == "scoring: 120 of 120 examples (100 %) in 1 min 01 s"


def test_plain_lines_where_there_is_no_terminal(tmp_path):
    stream = io.StringIO()
    with metered("toy", 2, "things", tmp_path / "beat.json", stream) as meter:
        meter.advance(2)
    assert "\r" not in stream.getvalue()
    beat = json.loads((tmp_path / "beat.json").read_text())
    assert (beat["state"], beat["done"], beat["total"]) == ("finished", 2, 2)


def test_a_step_that_raises_is_recorded_as_failed(tmp_path):
    with pytest.raises(KeyError), metered("toy", 2, "things", tmp_path / "beat.json", io.StringIO()) as meter:
        meter.advance()
        raise KeyError
    assert json.loads((tmp_path / "beat.json").read_text())["state"] == "failed"


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("INOC_PROGRESS", raising=False)
    stream = Terminal()
    with metered("toy", 1, "things", None, stream) as meter:
        meter.advance()
    assert stream.getvalue().startswith("\r")
    assert stream.getvalue().count("\n") == 1
