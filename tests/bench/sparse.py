"""What weights that pruning has set to 0 gain: ResNet-20, forward and all ten rows, on one core, with and without them;
and single layers, in the kernels for few weights against the usual ones.

`rows()` gives (name, the pruned network's samples per second, the dense one's) as run.py has them; single layers are
printed, in GFLOP/s as if no weight were 0.
"""

import json
import pathlib
import subprocess
import tempfile
import time

import run

VARIANTS = "  - {method: magnitude, scope: [global, layer], sparsity: [0.5, 0.7, 0.8, 0.9, 0.95, 0.98]}\n"
ADJOINTS, SAMPLES = 40, 48  # as many as mpi/stages/work.c takes at once, back and forward


def torch_gflops(line):
    """The same pullback by PyTorch, the better of its two layouts, the best of seven; None: it is not there."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    ins, outs, extent, kernel, stride = (line[key] for key in ("in", "out", "extent", "kernel", "stride"))
    side, times = (extent - 1) // stride + 1, []
    work = 2e-9 * ADJOINTS * ins * outs * kernel**2 * side**2
    for memory in (torch.contiguous_format, torch.channels_last):
        u = torch.randn(ADJOINTS, ins, extent, extent).contiguous(memory_format=memory).requires_grad_(True)
        z = torch.nn.functional.conv2d(u, torch.randn(outs, ins, kernel, kernel), None, stride, kernel // 2)
        g = torch.randn_like(z)
        for _ in range(7):
            before = time.perf_counter()
            torch.autograd.grad(z, u, g, retain_graph=True)
            times.append(time.perf_counter() - before)
    return work / min(times)


def xsmm():
    """{(channels, share): GFLOP/s} of libxsmm's sparse kernel, where bench_xsmm was built with it."""
    said = subprocess.run([run.BUILD / "bench_xsmm"], check=True, capture_output=True, text=True).stdout
    return {(line["channels"], line["share"]): line["xsmm_gflops"] for line in map(json.loads, said.splitlines())}


def layers():
    said = subprocess.run([run.BUILD / "bench_kernels", "sparse", str(ADJOINTS)], check=True, env=run.ENVIRONMENT,
                          capture_output=True, text=True).stdout
    print("  pullback of one layer, GFLOP/s as if no weight were 0: PyTorch, bare oneDNN, usual kernels, those for few "
          "weights, the choice, lanes; products alone by libxsmm")
    products, peer = xsmm(), None
    for line in map(json.loads, said.splitlines()):
        peer = torch_gflops(line) if line["share"] == 1 else peer
        same = line["in"] == line["out"] and line["kernel"] == 3 and line["stride"] == 1
        other = products.get((line["in"], line["share"])) if same else None
        print("  {in}x{kernel}x{kernel} to {out} at {extent}, stride {stride}, share {share}: {0} {bare_gflops:.0f} "
              "{usual_gflops:.0f} {sparse_gflops:.0f} {chosen_gflops:.0f} {lanes_gflops:.0f} {1}".format(
                  *(f"{x:.0f}" if x else "-" for x in (peer, other)), **line))


def rows():
    table = []
    layers()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for model in sorted(run.prune_resnet20(folder, VARIANTS).glob("magnitude-*.onnx")):
            both, worst = (model, folder / "model.onnx"), (0, 0)
            rate = [run.total(run.together("bench_forward", at, SAMPLES, run.SECONDS, processes=1)) for at in both]
            table.append((f"forward pass of ResNet-20, {model.stem}, 1 core, batch {SAMPLES}: against dense", *rate))
            for how, words in run.WORDS.items():
                reports = [run.together("bench_linear", at, run.SAMPLES, how, ADJOINTS, processes=1) for at in both]
                worst = [max(so_far, report["residual"]) for so_far, (report,) in zip(worst, reports)]
                table.append((f"linearize ResNet-20, {model.stem}, 10 x 3,072, 1 core, {words}: against dense",
                              *map(run.total, reports)))
            print("  {}: worst residual {:.1e}, dense {:.1e}".format(model.stem, *worst), flush=True)
    return table
