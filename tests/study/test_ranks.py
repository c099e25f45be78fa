"""Far more ranks than processors, and a thousand tiles of three samples each: the bits of one rank. Five of them by default; `make
test-ranks` takes 64."""

import os
import shutil

import numpy as np

from conftest import checksum, run
from test_memory import linear_network

RANKS = int(os.environ.get("FACET_RANKS", "5"))
TILES = """\
output: out
data:
  test: {format: npy, images: x.npy, labels: y.npy}
  normalize: {scale: 255}
model: {onnx: net.onnx}
variants: [{method: [magnitude, random], sparsity: 0.5}]
conditions: [clean, {corruption: gaussian_noise, severity: 1}]
block: 3
linearize: {variants: dense, samples: 300}
change: {samples: 60}
"""


def test_many_ranks_and_tiles(tmp_path):
    random = np.random.default_rng(0)
    linear_network(tmp_path / "net.onnx", 25, 4)
    np.save(tmp_path / "x.npy", random.integers(0, 256, (500, 5, 5), dtype=np.uint8))  # 167 blocks, 6 pairs: 1,002 tiles
    np.save(tmp_path / "y.npy", random.integers(-1, 4, 500))
    (tmp_path / "study.yaml").write_text(TILES)
    sums = set()
    for ranks in (1, RANKS):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = run("run", tmp_path / "study.yaml", ranks=ranks, timeout=1200)
        assert done.returncode == 0, done.stderr
        sums.add(checksum(tmp_path / "out/study.h5"))
    assert len(sums) == 1
