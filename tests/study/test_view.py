"""facet view: a study and the viewer by HTTP, whole and in ranges, for browsers on this machine and for nobody else."""

import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from conftest import FACET, FOUND, PATIENCE, environment

pytestmark = pytest.mark.skipif("FACET_HTTP" not in FOUND["CFLAGS"], reason="built without libmicrohttpd")
STUDY = b"\x89HDF\r\n\x1a\n" + np.random.default_rng(5).bytes(300_000)
PAGE = b"<!doctype html><title>viewer</title>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    (folder / "viewer").mkdir()
    (folder / "viewer/index.html").write_bytes(PAGE)
    (folder / "viewer/viewer.js").write_text("'use strict';")
    (folder / "viewer/.secret").write_text("no")
    (folder / "viewer/inner").mkdir()
    (folder / "secret.txt").write_text("no")
    (folder / "mine.h5").write_bytes(STUDY)
    return folder


@contextlib.contextmanager
def served(folder, *options, **more):
    """The port that it is served on."""
    process = subprocess.Popen([FACET, "view", folder / "mine.h5", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env={**environment(), "FACET_VIEWER": str(folder / "viewer"), **more})
    try:
        line = process.stdout.readline()
        found = re.search(r"mine\.h5: http://127\.0\.0\.1:(\d+)/ ", line)
        assert found, line + process.stderr.read()
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and rest == ("", ""), rest


@pytest.fixture(scope="module")
def port(folder):
    with served(folder, "--no-browser") as number:
        yield number


def refused(*words, viewer):
    return subprocess.run([FACET, "view", *map(str, words)], capture_output=True, text=True, timeout=PATIENCE,
                          env={**environment(), "FACET_VIEWER": str(viewer)})


def ask(port, path="/study.h5", method="GET", **headers):
    """Status, headers in small letters, and body, of one request as it stands here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def test_whole_files(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/study.h5", timeout=PATIENCE) as answer:
        assert answer.status == 200 and answer.read() == STUDY
        assert answer.headers["Accept-Ranges"] == "bytes" and answer.headers["Content-Type"] == "application/x-hdf5"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin" and not answer.headers["Access-Control-Allow-Origin"]
    for path, kind in ("/", "text/html"), ("/index.html", "text/html"), ("/?study=study.h5", "text/html"), ("/viewer.js", "text/javascript"):
        status, headers, body = ask(port, path)
        assert status == 200 and headers["content-type"].startswith(kind) and (body == PAGE) == ("html" in kind), path
    status, headers, body = ask(port, method="HEAD")
    assert status == 200 and int(headers["content-length"]) == len(STUDY) and body == b""


@pytest.mark.parametrize("wanted, first, end", [("0-7", 0, 8), ("5-5", 5, 6), ("100-", 100, None), ("-10", -10, None), ("0-", 0, None),
                                                ("-99999999999999999999", 0, None), (f"{len(STUDY) - 1}-99999999999999999999", -1, None)])
def test_ranges(port, wanted, first, end):
    for method in "GET", "HEAD":
        status, headers, body = ask(port, method=method, Range="bytes=" + wanted)
        part = STUDY[first:end]
        start = len(STUDY) + first if first < 0 else first
        assert status == 206 and headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(STUDY)}"
        assert int(headers["content-length"]) == len(part) and body == (part if method == "GET" else b"")


@pytest.mark.parametrize("wanted", [f"{len(STUDY)}-", f"{len(STUDY)}-{len(STUDY) + 5}", "-0", "99999999999999999999-"])
def test_ranges_beyond_the_end(port, wanted):
    status, headers, body = ask(port, Range="bytes=" + wanted)
    assert status == 416 and headers["content-range"] == f"bytes */{len(STUDY)}" and len(body) < 100


@pytest.mark.parametrize("wanted", ["bytes=7-3", "bytes=0-1,4-5", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=1-2x", "bytes= 0-1"])
def test_what_is_no_range_is_left_out(port, wanted):
    status, _, body = ask(port, Range=wanted)
    assert status == 200 and body == STUDY


def test_tags(folder, port):
    tag = ask(port)[1]["etag"]
    assert ask(port, Range="bytes=0-7", If_Range=tag)[0] == 206 and ask(port, Range="bytes=0-7", If_Range='"other"')[2] == STUDY
    status, _, body = ask(port, If_None_Match=tag)
    assert status == 304 and body == b""
    os.utime(folder / "mine.h5", ns=(1, 1))
    assert ask(port)[1]["etag"] != tag and ask(port, Range="bytes=0-7", If_Range=tag)[0] == 200


def test_another_host_is_refused(port):
    for host in f"facet.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.0.0.1:{port}.example", "", f"127.0.0.1.example:{port}":
        status, _, body = ask(port, Host=host)
        assert status in (400, 403) and b"HDF" not in body, host
    assert ask(port, Host=f"localhost:{port}")[0] == ask(port, Host=f"LOCALHOST:{port}")[0] == 200


def test_only_loopback_listens(port):
    said = "".join(pathlib.Path("/proc/net", name).read_text() for name in ("tcp", "tcp6") if pathlib.Path("/proc/net", name).exists())
    assert re.findall(rf"^ *\d+: (\w+):{port:04X} \w+:\w+ 0A ", said, re.M) == [f"{int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder):08X}"]


@pytest.mark.parametrize("path", ["/../secret.txt", "/viewer/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd", "/.secret",
                                  "/inner", "/inner/", "/viewer.js/", "/mine.h5", "/" + "a" * 5000, "/..\\secret.txt", "/./index.html"])
def test_no_path_leads_elsewhere(port, path):
    status, _, body = ask(port, path)
    assert status in (400, 404, 414) and body != b"no", path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "CONNECT"])
def test_other_methods(port, method):
    status, headers, body = ask(port, method=method, Content_Length="0")
    assert status in (400, 405) and (status == 400 or headers["allow"] == "GET, HEAD") and b"HDF" not in body


def test_many_readers_at_once(port):
    def read(i):
        first = i * 9001 % (len(STUDY) - 5000)
        return ask(port, Range=f"bytes={first}-{first + 4999}")[2] == STUDY[first:first + 5000] and ask(port)[2] == STUDY
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]  # that never say what they want
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(64)))
    for one in slow:
        one.close()


def test_a_reader_that_leaves_does_not_end_it(port):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(f"GET /study.h5 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert ask(port)[0] == 200


def test_the_port_that_is_asked_for(folder, port):
    done = refused(folder / "mine.h5", "--port", port, "--no-browser", viewer=folder / "viewer")
    assert done.returncode == 73 and f"port {port} of 127.0.0.1: " in done.stderr
    def is_free(number):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", number)) != 0
    number = next(filter(is_free, random.sample(range(20000, 30000), 100)))  # which nobody is given who asks for any
    with served(folder, "--no-browser", "--port", str(number)) as found:
        assert found == number


def test_the_browser_is_opened_where_there_is_a_display(folder, tmp_path):
    opener = tmp_path / "bin/xdg-open"
    opener.parent.mkdir()
    os.mkfifo(tmp_path / "seen")
    opener.write_text(f'#!/bin/sh\necho loud; echo "$@" >{tmp_path}/seen\n')
    opener.chmod(0o755)
    with served(folder, DISPLAY=":9", PATH=f"{opener.parent}:{os.environ['PATH']}") as number:
        assert (tmp_path / "seen").read_text() == f"http://127.0.0.1:{number}/\n"


def test_what_is_wrong_is_said(folder, tmp_path):
    (tmp_path / "text.h5").write_text("not one")
    for words, status, said in (([tmp_path / "none.h5"], 66, "none.h5: No such file"), ([tmp_path / "text.h5"], 65, "text.h5: is not an HDF5 file"),
                                ([folder], 65, "is not an HDF5 file"), ([folder / "mine.h5", "-n", "2"], 64, "there is no option '-n'"),
                                ([folder / "mine.h5", "--port", "70000"], 64, "'70000' is no whole number from 0 to 65535"), ([], 64, "usage"),
                                ([folder / "mine.h5", "--no-brwser"], 64, "did you mean '--no-browser'")):
        done = refused(*words, viewer=folder / "viewer")
        assert done.returncode == status and said in done.stderr and done.stdout == "", done.stderr
    done = refused(folder / "mine.h5", viewer=tmp_path)
    assert done.returncode == 66 and "has no index.html" in done.stderr
