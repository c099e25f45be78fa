"""Times of the viewer on files of 50 GB (holes, mostly), in Chromium with software GL: opening to the first view, brushing, memory.
usage: bench.py [SAMPLES ...]; without: 10,000 and 100,000 samples, of 10 variants under 20 conditions."""

import os
import pathlib
import sys
import tempfile
import time

import numpy as np

import made_study
from browsing import ARGUMENTS, CHROMIUM, Viewer, lacking, settled

# Drags through the first histogram, a frame a step, and says how long frames took.
BRUSH = """async () => {
  const overlay = document.querySelector("#evaluation .evaluation-detail .brush .overlay").getBoundingClientRect();
  const target = document.querySelector("#evaluation .evaluation-detail .brush .overlay");
  const send = (on, type, x) => on.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, view: window, clientX: x, clientY: overlay.top + 20, button: 0 }));
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  send(target, "mousedown", overlay.left + overlay.width * 0.1);
  for (let i = 0; i < 10; i++) { send(window, "mousemove", overlay.left + overlay.width * (0.1 + 0.01 * i)); await frame(); }
  const began = performance.now();
  let longest = 0, last = began;
  const steps = 90;
  for (let i = 0; i < steps; i++) {
    send(window, "mousemove", overlay.left + overlay.width * (0.2 + 0.6 * i / steps));
    await frame();
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  send(window, "mouseup", overlay.left + overlay.width * 0.8);
  return { steps: steps + 10, frames: steps / (last - began) * 1000, longest, selected: window.facetViewer.store.state.selected.reduce((a, b) => a + b, 0) };
}"""


def browser():
    """The browser's processes, which this one has started: for each the fields of its stat from the third on."""
    found = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(status.parent.name)] = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            pass

    def mine(pid):
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = int(found[pid][1]) if pid in found else 0
        return False

    def named(pid):
        try:
            return "chrom" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return False

    return {pid: fields for pid, fields in found.items() if mine(pid) and named(pid)}


def memory():
    """Bytes that they have for themselves."""
    total = 0
    for pid in browser():
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))
        except OSError:
            pass
    return total


def processor():
    """Seconds of processor time that they have taken."""
    return sum(int(fields[11]) + int(fields[12]) for fields in browser().values()) / os.sysconf("SC_CLK_TCK")


class Work:
    """Processor time of a page: of its main thread, and of all processes of the browser. Load of others does not count."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self):
        told = {metric["name"]: metric["value"] for metric in self.session.send("Performance.getMetrics")["metrics"]}
        return np.array([told["TaskDuration"], told["ScriptDuration"], processor()])


def measure(viewer, path, samples):
    began = time.perf_counter()
    made_study.make(path, variants=10, conditions=20, samples=samples, classes=10, side=28, hole=50_000_000_000, replicates=3)
    size, disk = path.stat().st_size, path.stat().st_blocks * 512
    print(f"{samples:,} samples: a file of {size / 1e9:.1f} GB ({disk / 1e6:.0f} MB of it on the disk), made in {time.perf_counter() - began:.0f} s", flush=True)
    page = viewer.page()
    began = time.perf_counter()
    page.goto(viewer.server.url(path))
    page.wait_for_function("window.facetViewer && document.querySelector('#evaluation td .number')?.textContent", polling=20)
    first = time.perf_counter() - began
    reads = viewer.server.reads
    settled(page)
    print(f"  over HTTP: first numbers {first:.2f} s, {reads} reads; all histograms {time.perf_counter() - began:.2f} s, {viewer.server.reads} reads, {viewer.server.bytes / 1e6:.1f} MB")
    page.evaluate(BRUSH)  # what brushing reads the first time
    settled(page)
    work = Work(page)
    for turn in range(2):
        before = work.now()
        told = page.evaluate(BRUSH)
        main, script, whole = 1000 * (work.now() - before) / told["steps"]
    print(f"  brushing: {told['frames']:.0f} frames a second, the longest {told['longest']:.0f} ms ({told['selected']:,.0f} selected at the end)")
    print(f"  processor time a frame: {main:.1f} ms of the main thread, {script:.1f} ms of them scripts; {whole:.1f} ms of all processes (drawing in software)")
    heap = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize : 0")
    print(f"  memory: {memory() / 1e6:.0f} MB of all processes of the browser, {heap / 1e6:.0f} MB of them the script's heap")
    page.close()
    page = viewer.page()
    page.goto(f"http://127.0.0.1:{viewer.server.server_address[1]}/")
    page.wait_for_selector(".welcome .big")
    began = time.perf_counter()
    page.set_input_files(".welcome input[type=file]", path)
    page.wait_for_function("window.facetViewer && document.querySelector('#evaluation td .number')?.textContent", polling=20)
    first = time.perf_counter() - began
    settled(page)
    told = page.evaluate("window.facetViewer.opened")
    print(f"  picked: first numbers {first:.2f} s, {told['reads']['count'] + told['hdf5']['count']} reads; all histograms {time.perf_counter() - began:.2f} s")
    page.close()


def main():
    if lacking():
        print(f"bench-viewer: {lacking()}")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, "--enable-precise-memory-info"])
        viewer = Viewer(browser)
        for samples in [int(argument.replace(",", "")) for argument in sys.argv[1:]] or [10_000, 100_000]:
            path = pathlib.Path(folder) / "study.h5"
            measure(viewer, path, samples)
            path.unlink()
        browser.close()


main()
