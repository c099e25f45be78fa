"""A browser and a server of byte ranges for the viewer's tests."""

import contextlib
import http.server
import os
import pathlib
import re
import sys
import threading

import h5py
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / os.environ.get("FACET_BUILD", "build") / "viewer"
sys.path.insert(0, str(ROOT / "tests"))
from patience import PATIENCE  # noqa: E402
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def lacking():
    """Why the viewer cannot be tried here; an empty text: it can."""
    if not (BUILT / "index.html").exists():
        return "the viewer is not built (make viewer)"
    if not pathlib.Path(CHROMIUM).exists():
        return f"no {CHROMIUM} (Debian package: chromium)"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "no Playwright (tests/viewer/requirements.txt)"
    return ""


class Server(http.server.ThreadingHTTPServer):
    """The built viewer at /, and files by name; says how often and how much of the files was read."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.reads, self.bytes = {}, 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path, fragment=""):
        name = f"{len(self.files)}-{pathlib.Path(path).name}"
        self.files[name] = path
        self.reads = self.bytes = 0
        return f"http://127.0.0.1:{self.server_address[1]}/?study={name}#{fragment}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_error(404)

    def do_GET(self):
        name = self.path.split("?")[0].lstrip("/") or "index.html"
        path = self.server.files.get(name, BUILT / name)
        if not os.path.isfile(path):
            self.send_error(404)
            return
        size = os.path.getsize(path)
        asked = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(size - 1, int(asked[2]))) if asked else (0, size - 1)
        with open(path, "rb") as file:
            file.seek(first)
            data = file.read(last + 1 - first)
        if name in self.server.files:
            self.server.reads += 1
            self.server.bytes += len(data)
        kind = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}.get(os.path.splitext(name)[1], "application/octet-stream")
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        self.wfile.write(data)


class Viewer:
    """Pages of one browser. What a page asks the network for, and what goes wrong in it, is kept."""

    def __init__(self, browser):
        self.browser, self.server, self.asked, self.wrong = browser, Server(), [], []

    def page(self, width=1440, height=1000):
        if not self.browser.contexts:  # of the pages that are open alone
            self.wrong.clear()
        page = self.browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        return page

    def open(self, path, fragment="", **size):
        """A page with the study in sight, its numbers there."""
        page = self.page(**size)
        page.goto(self.server.url(path, fragment))
        page.wait_for_function("window.facetViewer")
        settled(page)
        return page

    @contextlib.contextmanager
    def shown(self, path, fragment=""):
        """A page that is open for a while, in which nothing may go wrong."""
        page = self.open(path, fragment)
        yield page
        page.close()
        assert not self.wrong

    def problem(self, path):
        """The sentence that the page says of a file that it does not show."""
        page = self.page()
        page.goto(self.server.url(path))
        page.wait_for_selector(".problem")
        text = page.text_content(".problem")
        page.close()
        return text


def settled(page):
    """Until what was asked for is there and drawn."""
    page.wait_for_function("window.facetViewer.study.pending() === 0 && !document.querySelector('#evaluation [aria-busy]')")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))")
    page.wait_for_function("window.facetViewer.study.pending() === 0")


def see(page, view, drawn):
    """Scrolls to a view; when what is looked for is drawn, it goes on."""
    page.eval_on_selector(f"#{view}", "(element) => element.scrollIntoView({ behavior: 'instant' })")
    page.wait_for_selector(f"#{view} {drawn}", state="attached")
    settled(page)


@pytest.fixture(scope="module")
def h5(path):
    """What the module's own study holds."""
    with h5py.File(path) as file:
        yield file


shared = {"users": 0}


@pytest.fixture(scope="session")
def viewer():
    """One browser for all files of tests that a process runs: each has this fixture as its own, and Playwright starts once."""
    from playwright.sync_api import sync_playwright

    if shared["users"] == 0:
        shared["playwright"] = sync_playwright().start()
        shared["browser"] = shared["playwright"].chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=1000 * PATIENCE)
        shared["viewer"] = Viewer(shared["browser"])
    shared["users"] += 1
    yield shared["viewer"]
    shared["users"] -= 1
    if shared["users"] == 0:
        shared["browser"].close()
        shared["playwright"].stop()
