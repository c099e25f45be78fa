"""make bench: facet against PyTorch, side by side in one run, on stated shapes.

Prints a table and writes results/bench.json: a list of {name, facet, peer, unit, ratio}; ratio above 1 is in facet's
favour.  Without PyTorch the comparison is left out, and said.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import resnet20

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CORES = len(os.sched_getaffinity(0))
SECONDS = 8  # of every measurement
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def repeat(work, seconds=SECONDS):
    """Samples per second of work(), which returns how many it has done: the median call; the first one warms up."""
    work()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 5:
        before = time.perf_counter()
        done = work()
        times.append((time.perf_counter() - before) / done)
    return 1 / statistics.median(times)


def facet_rate(model, samples, processes, ties="settle"):
    """Samples per second of `processes` single-threaded processes side by side (the median batch of each), and the
    last one's report."""
    command = [str(BUILD / "tests/bench/bench_linear"), str(model), str(samples), ties]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) for _ in range(processes)
    ]
    reports = [json.loads(p.communicate()[0]) for p in running]
    return sum(1 / r["seconds_per_sample"] for r in reports), reports[-1]


def torch_rates(table):
    """Samples per second of PyTorch's ways to get all ten rows, by name; parameters need no gradient."""
    import torch

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    rates = {}
    for name, memory, batch in (
        ("a backward per class, batch 64", torch.contiguous_format, 64),
        ("a backward per class, batch 16", torch.contiguous_format, 16),
        ("a backward per class, channels last, batch 64", torch.channels_last, 64),
    ):
        module = resnet20.torch_module(table).to(memory_format=memory)
        x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=memory).requires_grad_(True)

        def per_class(module=module, x=x, batch=batch):
            logits = module(x)
            for k in range(10):
                torch.autograd.grad(logits[:, k].sum(), x, retain_graph=k < 9)
            return batch

        rates[name] = repeat(per_class)
    module = resnet20.torch_module(table)
    x = torch.randn(32, 3, 32, 32)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: module(one[None])[0]))
    rates["vmap(jacrev), batch 32"] = repeat(lambda: len(jacobian(x)))
    one_hot = torch.eye(10)[:, None, :].expand(10, 32, 10)
    y = x.clone().requires_grad_(True)

    def batched():
        torch.autograd.grad(module(y), y, one_hot, is_grads_batched=True)
        return 32

    rates["is_grads_batched, batch 32"] = repeat(batched)
    return rates


def bare_rate():
    """Samples per second that the bare oneDNN primitives of the same pullbacks reach, in as many processes."""
    command = [str(BUILD / "tests/bench/bench_kernels"), "resnet20", "4"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) for _ in range(CORES)]
    lines = [json.loads(p.communicate()[0].splitlines()[-1]) for p in running]
    return sum(1 / line["seconds_per_sample"] for line in lines)


def main():
    rows = []
    table = resnet20.weights()
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "resnet20.onnx"
        resnet20.write_onnx(model, table)
        rate, report = facet_rate(model, 40, CORES)
        samples = max(40, int(rate / CORES * SECONDS))
        rate, report = facet_rate(model, samples, CORES)
        plain, _ = facet_rate(model, samples, CORES, "plain")
        one, _ = facet_rate(model, samples, 1)
        shape = f"ResNet-20, 10 x 3,072, {CORES} cores"
        try:
            rates = torch_rates(table)
            for name, value in rates.items():
                print(f"  PyTorch, {name}: {value:.1f} samples/s")
            best = max(rates, key=rates.get)
            peer = f"PyTorch's fastest ({best})"
            rows.append((f"linearize {shape}, all in float, against {peer}", plain, rates[best], "samples/s"))
            rows.append((f"linearize {shape}, ties settled in double, against {peer}", rate, rates[best], "samples/s"))
        except ImportError as missing:
            print(f"bench: {missing}: the comparison with PyTorch is left out")
        rows.append((f"linearize {shape}, against the bare oneDNN primitives of its pullbacks", rate, bare_rate(), "samples/s"))
        rows.append((f"linearize {shape}, against 1 core", rate, one, "samples/s"))
    results = [
        {"name": name, "facet": facet, "peer": peer, "unit": unit, "ratio": facet / peer} for name, facet, peer, unit in rows
    ]
    width = max(len(r["name"]) for r in results)
    print(f"\n{'':{width}}  {'facet':>9} {'peer':>9} {'ratio':>6}")
    for r in results:
        print(f"{r['name']:{width}}  {r['facet']:9.1f} {r['peer']:9.1f} {r['ratio']:6.2f}  {r['unit']}")
    (ROOT / "results").mkdir(exist_ok=True)
    (ROOT / "results" / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"worst residual {report['residual']:.1e}; written to results/bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
