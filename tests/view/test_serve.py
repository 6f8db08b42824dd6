"""The server of a site: its files, to this machine, and nothing else."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inoc.view.serve import byte_range, server_of, site_files

TEXT = b"0123456789"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "secret.txt").write_text("secret")
    site = tmp_path / "site"
    (site / "data").mkdir(parents=True)
    (site / "index.html").write_text("<p>page</p>")
    (site / "data" / "rows.parquet").write_bytes(TEXT)
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    (site / "folder").symlink_to(tmp_path)
    with server_of(site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()


def test_it_listens_to_this_machine_alone(tmp_path) -> None:
    with server_of(tmp_path) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_it_sends_the_page_and_its_data_with_their_types(port) -> None:
    page = ask(port, "/")
    assert (page.status, page.read()) == (200, b"<p>page</p>")
    assert page.getheader("Content-Type") == "text/html; charset=utf-8"
    assert page.getheader("X-Content-Type-Options") == "nosniff"
    assert ask(port, "/index.html?x=1").status == 200
    assert ask(port, "/data/rows.parquet").read() == TEXT
    head = ask(port, "/data/rows.parquet", "HEAD")
    assert (head.getheader("Content-Length"), head.read()) == ("10", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/data/../../secret.txt",
        "//etc/passwd",
        "/%00",
        "/link.txt",
        "/folder/secret.txt",
        "/data",
        "/data/",
        "/C:/secret.txt",
        "/..\\secret.txt",
    ],
)
def test_nothing_outside_the_site_is_sent(port, path) -> None:
    answer = ask(port, path)
    assert answer.status == 404
    assert b"secret" not in answer.read().replace(path.encode(), b"")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])
def test_a_request_under_another_name_is_refused(port, host) -> None:
    assert ask(port, "/", Host=host).status == 403


def test_the_names_of_this_machine_are_accepted(port) -> None:
    assert ask(port, "/", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_only_reads(port, method) -> None:
    assert ask(port, "/", method).status == 501


def test_a_file_that_becomes_a_link_is_no_longer_sent(port, tmp_path) -> None:
    path = tmp_path / "site" / "data" / "rows.parquet"
    path.unlink()
    path.symlink_to(tmp_path / "secret.txt")
    assert ask(port, "/data/rows.parquet").status == 404


def test_ranges_are_sent_as_asked(port) -> None:
    part = ask(port, "/data/rows.parquet", Range="bytes=2-4")
    assert (part.status, part.read(), part.getheader("Content-Range")) == (206, b"234", "bytes 2-4/10")
    assert ask(port, "/data/rows.parquet", Range="bytes=-3").read() == b"789"
    assert ask(port, "/data/rows.parquet", Range="bytes=20-").status == 416


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_range_is_the_slice_of_the_file(first: int, last: int) -> None:
    found = byte_range(f"bytes={first}-{last}", len(TEXT))
    if first >= len(TEXT):
        assert found is None
    elif first <= last:
        assert found is not None
        assert TEXT[slice(*found)] == TEXT[first : last + 1]


@given(st.text(max_size=20))
def test_any_range_is_inside_the_file(header: str) -> None:
    for text in (header, f"bytes={header}"):
        found = byte_range(text, 10)
        assert found is None or 0 <= found[0] < found[1] <= 10


def test_links_are_no_files_of_the_site(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("b")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    assert list(site_files(tmp_path)) == ["a/b.txt"]
