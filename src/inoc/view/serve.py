"""A server for one site: to this machine alone, and of that site's files alone."""

from __future__ import annotations

import http.server
import mimetypes
import sys
import threading
import webbrowser
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".parquet": "application/vnd.apache.parquet",
}
_PIECE = 1 << 16


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD for the files that a site had when it was served first.

    A request whose `Host` is another name, as after a page elsewhere has made its own name point here, is refused.
    """

    server_version = "inoc"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, *arguments: object, files: dict[str, Path]) -> None:
        self._files = files
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a file, or the range of it that is asked for."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what GET would send before the file."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        if self.headers.get("Host") not in self._hosts():
            self.send_error(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 alone")
            return
        name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        path = self._files.get(name)
        if path is None or path.is_symlink() or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        size = path.stat().st_size
        found = byte_range(self.headers.get("Range"), size)
        if found is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, stop = found
        partly = (start, stop) != (0, size)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partly else HTTPStatus.OK)
        if partly:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            self._send(path, start, stop)

    def _hosts(self) -> set[str]:
        """Names of this server as a browser on this machine writes them."""
        port = self.connection.getsockname()[1]
        return {f"{HOST}:{port}", f"localhost:{port}"}

    def _send(self, path: Path, start: int, stop: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            left = stop - start
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                self.wfile.write(piece)
                left -= len(piece)

    def end_headers(self) -> None:
        """Add what keeps other pages and other types of content away."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The part of a file that a request asks for: first byte, and one past the last.

    Args:
        header: `Range`; the whole file without one, or where it asks for several parts or is malformed.
        size: Bytes of the file.

    Returns:
        None if it begins behind the end.
    """
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    digits = all(part.isascii() and part.isdecimal() and len(part) < 20 for part in (first, last) if part)
    if unit.strip() != "bytes" or not dash or "," in spec or not digits or not (first or last):
        return 0, size
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= size:
        return None
    return (start, stop) if start < stop else (0, size)


def site_files(folder: Path) -> dict[str, Path]:
    """Address → file, of the files of a site; what a link leads to is none of them."""
    root = folder.resolve()
    found = {}
    for path in sorted(root.rglob("*")):
        inside = not path.is_symlink() and path.is_file() and path.resolve().is_relative_to(root)
        if inside and not any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(root)):
            found[path.relative_to(root).as_posix()] = path
    return found


def server_of(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of a site, which does not run yet.

    Args:
        folder: Of the site.
        port: 0 for one that is free.
    """
    handler = partial(Handler, files=site_files(folder))
    server = http.server.ThreadingHTTPServer((HOST, port), handler)
    server.daemon_threads = True
    return server


def serve_forever(folder: Path, port: int = 0, *, browse: bool) -> None:
    """Serve a site until Ctrl-C.

    Args:
        folder: Of the site.
        port: 0 for one that is free.
        browse: Whether a browser opens it.
    """
    with server_of(folder, port) as server:
        address = f"http://{HOST}:{server.server_address[1]}/"
        print(f"{address} shows it on this machine until Ctrl-C", file=sys.stderr)
        if browse:
            threading.Timer(0.2, webbrowser.open, [address]).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
