"""make bench: facet against PyTorch, onnxruntime and bare oneDNN, side by side in one run, on stated shapes.

    run.py [PART ...]   parts: linearize, scale, forward, train, removed, sparse, geometry, embed, paths, spectra, judge, store, safe,
                        whole; all of them if none is named
        --network NAME ...   linearize, scale and forward: of these networks alone
        --batch N ...        linearize and forward: of these batches alone

Prints a table and writes results/bench.json: a list of {name, level, facet, peer, unit, ratio}; ratio above 1 is in facet's
favour.  Parts that are named take the place of what the file says under the same names; the rest of it stays.  Every
time is the best of several, so that other programs disturb it little.  What is not installed is left out of the
comparison, and said.  An hour and a half for all of them.

Names end with the instructions that facet's kernels are compiled for, and what the file says of others stays.
ONEDNN_MAX_CPU_ISA=AVX2 limits facet, and PyTorch with it.
"""

import argparse
import functools
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import resnet20
import train

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "tests" / "bench"
CORES = len(os.sched_getaffinity(0))
NETWORKS = {"ResNet-20": 3, "ResNet-56": 9}  # blocks of a stage
BATCHES = (1, 8, 32, 64, 256)
FORWARD_BATCHES = (1, 32, 256)
PRUNED_BATCHES = (64, 256)
PRUNED = {percent: f"  - {{method: magnitude, scope: global, sparsity: {percent / 100}}}\n" for percent in (95, 98)}
SAMPLES = 192  # that facet linearizes in a measurement, in each process
SECONDS = 1.2  # of every measurement, if a call does not take longer
ENVIRONMENT = train.ENVIRONMENT
chosen = argparse.Namespace(network=list(NETWORKS), batch=sorted({*BATCHES, *FORWARD_BATCHES}))


def limit_pytorch():
    """To the instructions that facet is limited to: PyTorch's oneDNN reads the same variable, the rest of it others."""
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    words = {"SSE41": ("default", "SSE4_2"), "AVX2": ("avx2", "AVX2")}.get(most)
    for variable, word in zip(("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS"), words or ()):
        os.environ.setdefault(variable, word)


@functools.cache
def level():
    """What facet's kernels are compiled for: AVX2, AVX-512 and so on, as it says itself."""
    said = subprocess.run([ROOT / "build" / "facet", "--version"], check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout
    return re.search(r"^kernels +(.+)$", said, re.M)[1]


def repeat(work, seconds=SECONDS):
    """Samples per second of work(), which returns how many it has done: the best call, as everywhere here."""
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        done = work()
        times.append((time.perf_counter() - before) / done)
    return 1 / min(times)


def together(program, *arguments, processes=CORES):
    """The reports of so many single-threaded processes side by side."""
    command = [str(BUILD / program), *map(str, arguments)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) for _ in range(processes)]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit(f"bench: {program} failed")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def total(reports):
    return sum(1 / report["seconds_per_sample"] for report in reports)


def study(path, *options):
    """Runs facet on a study."""
    subprocess.run([ROOT / "build" / "facet", "run", path, *options], check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def prune_resnet20(folder, variants):
    """Pruned networks, made by facet from a ResNet-20 in folder/model.onnx: the folder where they lie."""
    import numpy

    resnet20.write_onnx(folder / "model.onnx", resnet20.weights(blocks=3), 3)
    numpy.save(folder / "images.npy", numpy.zeros((1, 3, 32, 32), numpy.float32))
    (folder / "study.yaml").write_text("data: {test: {format: npy, images: images.npy}}\nmodel: {onnx: model.onnx}\noutput: out\n"
                                       f"variants:\n{variants}")
    study(folder / "study.yaml")
    return folder / "out" / "variants"


# ---- linearization ----


def torch_ways(module, batch):
    """PyTorch's ways to get all ten rows, by name; parameters need no gradient."""
    import torch

    def per_class(memory):
        net = module.to(memory_format=memory)
        x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=memory).requires_grad_(True)

        def work():
            logits = net(x)
            for k in range(10):
                torch.autograd.grad(logits[:, k].sum(), x, retain_graph=k < 9)
            return batch

        return work

    def jacobian():
        net = module.to(memory_format=torch.contiguous_format)
        x = torch.randn(batch, 3, 32, 32)
        rows = torch.func.vmap(torch.func.jacrev(lambda one: net(one[None])[0]))
        return lambda: len(rows(x))

    def batched():
        net = module.to(memory_format=torch.contiguous_format)
        x = torch.randn(batch, 3, 32, 32).requires_grad_(True)
        one_hot = torch.eye(10)[:, None, :].expand(10, batch, 10)

        def work():
            torch.autograd.grad(net(x), x, one_hot, is_grads_batched=True)
            return batch

        return work

    return {
        "a backward per class": lambda: per_class(torch.contiguous_format),
        "a backward per class, channels last": lambda: per_class(torch.channels_last),
        "vmap(jacrev)": jacobian,
        "is_grads_batched": batched,
    }


def torch_rates(table, blocks, ways, batches):
    """{batch: {way: samples per second}}."""
    import torch

    torch.set_num_threads(CORES)
    torch.manual_seed(1)
    print(f"  PyTorch for {torch.backends.cpu.get_cpu_capability()}, facet for {level()}", flush=True)
    rates = {}
    for batch in batches:
        module = resnet20.torch_module(table, blocks)
        rates[batch] = {}
        for way, make in torch_ways(module, batch).items():
            if way not in ways:
                continue
            torch_ways(module, min(batch, 8))[way]()()  # warms up
            rates[batch][way] = repeat(make())
            print(f"  PyTorch, {way}, batch {batch}: {rates[batch][way]:.1f} samples/s", flush=True)
    return rates


dropped = set()  # ways of PyTorch that were never within a third of the fastest so far
WORDS = {"plain": "all in float", "settle": "ties settled in double"}


def linear_rate(model, how, batch):
    """Of CORES processes at once; and the largest residual."""
    reports = together("bench_linear", model, SAMPLES, how, 40, batch)
    return total(reports), max(report["residual"] for report in reports)


def linearize_pruned(model, percent, batch, shape, dense, peer, way):
    """Beside the dense network's rates by `how`, and PyTorch's, which makes nothing of zeros."""
    rows, worst = [], 0
    for how, words in WORDS.items():
        rate, residual = linear_rate(model, how, batch)
        worst = max(worst, residual)
        name = f"{shape}, batch {batch}, {percent} % pruned, {words}, against"
        rows += [(f"{name} PyTorch ({way})", rate, peer), (f"{name} our dense", rate, dense[how])]
    print(f"  {percent} % pruned, batch {batch}: worst residual {worst:.1e}", flush=True)
    return rows


def linearize(name, model, table, blocks):
    import torch  # noqa: F401  (or an ImportError, before anything is measured)

    shape = f"linearize {name}, 10 x 3,072, {CORES} cores"
    batches = [batch for batch in BATCHES if batch in chosen.batch]
    ways = [way for way in torch_ways(None, 1) if way not in dropped]
    rates, rows, worst = torch_rates(table, blocks, ways, batches), [], 0
    for way in ways:
        if all(at[way] < 0.67 * max(at.values()) for at in rates.values()):
            dropped.add(way)
    fastest = max(max(at.values()) for at in rates.values())
    pruned = prune_resnet20(model.parent, "".join(PRUNED.values())) if blocks == 3 else None
    for batch in batches:
        way = max(rates[batch], key=rates[batch].get)
        peer, dense = rates[batch][way], {}
        for how, words in WORDS.items():
            dense[how], residual = linear_rate(model, how, batch)
            worst = max(worst, residual)
            against = f"PyTorch ({way})" if how == "plain" else "the same"
            rows.append((f"{shape}, batch {batch}, {words}, against {against}", dense[how], peer))
        if batch == 64 and len(batches) == len(BATCHES):
            rows.append((f"{shape}, batch 64, all in float, against PyTorch's fastest of all batches", dense["plain"], fastest))
        for percent in PRUNED if pruned and batch in PRUNED_BATCHES else ():
            smaller = pruned / f"magnitude-global-{percent / 100}.onnx"
            rows += linearize_pruned(smaller, percent, batch, shape, dense, peer, way)
    print(f"  worst residual {worst:.1e}")
    return rows


def scale(name, model, *_):
    """Against the bare primitives of the same pullbacks, and against one process; turn by turn."""
    one, many, bare = [], [], []
    for _ in range(3):
        one.append(total(together("bench_linear", model, 64, "plain", processes=1)))
        many.append(total(together("bench_linear", model, 64, "plain")))
        bare.append(total(together("bench_kernels", name.lower().replace("-", ""), 4)))
    one, many, bare = map(max, (one, many, bare))
    return [
        (f"linearize {name}, {CORES} cores, against the bare oneDNN primitives of its pullbacks", many, bare),
        (f"linearize {name}, {CORES} processes against 1", many, one),
    ]


# ---- the forward pass ----


def forward_torch(table, blocks, batch):
    import torch

    torch.set_num_threads(1)
    best = 0
    for memory in (torch.contiguous_format, torch.channels_last):
        module = resnet20.torch_module(table, blocks).to(memory_format=memory)
        x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=memory)
        with torch.inference_mode():
            module(x)
            best = max(best, repeat(lambda: len(module(x)), SECONDS / 2))
    return best


def forward_onnxruntime(model, batch):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    x = numpy.random.default_rng(1).normal(size=(batch, 3, 32, 32)).astype(numpy.float32)
    session.run(None, {"input": x})
    return repeat(lambda: len(session.run(None, {"input": x})[0]), SECONDS / 2)


def forward(name, model, table, blocks):
    rows = []
    for batch in (batch for batch in FORWARD_BATCHES if batch in chosen.batch):
        facet = total(together("bench_forward", model, batch, SECONDS / 2, processes=1))
        for peer, rate in (
            ("PyTorch", lambda: forward_torch(table, blocks, batch)),
            ("onnxruntime", lambda: forward_onnxruntime(model, batch)),
        ):
            try:
                rows.append((f"forward pass of {name}, 1 core, batch {batch}, against {peer}", facet, rate()))
            except ImportError as missing:
                print(f"bench: {missing}: the comparison with {peer} is left out")
    return rows


# ---- all of it ----


def of_networks(rows_of):
    """A part that measures every network."""

    def rows():
        every = []
        with tempfile.TemporaryDirectory() as folder:
            for name in chosen.network:
                print(f"  {name}", flush=True)
                blocks = NETWORKS[name]
                table, model = resnet20.weights(blocks=blocks), pathlib.Path(folder) / f"{name}.onnx"
                resnet20.write_onnx(model, table, blocks)
                every += rows_of(name, model, table, blocks)
        return every

    return rows


def of_file(name):
    """A part with a file of its own, which uses this one and is read when its turn comes."""
    return lambda: importlib.import_module(name).rows()


PARTS = {  # each gives rows of (name, facet's rate, the peer's, and the unit if not samples/s); one more part is one more line
    "linearize": of_networks(linearize),
    "scale": of_networks(scale),
    "forward": of_networks(forward),
    "train": train.rows,
    "removed": of_file("removed"),
    "sparse": of_file("sparse"),
    "geometry": of_file("geometry"),
    "embed": of_file("embed"),
    "paths": of_file("paths"),
    "spectra": of_file("spectra"),
    "judge": of_file("judge"),
    "store": of_file("store"),
    "safe": of_file("safe"),
    "whole": of_file("whole"),
}


def measure(parts):
    rows = []
    for part in parts:
        print(part, flush=True)
        try:
            rows += PARTS[part]()
        except ImportError as missing:
            print(f"bench: {missing}: {part} is left out")
    return [
        {"name": f"{name}, {level()}", "level": level(), "facet": facet, "peer": peer, "unit": unit[0] if unit else "samples/s", "ratio": facet / peer}
        for name, facet, peer, *unit in rows
    ]


def show(results):
    width = max(len(r["name"]) for r in results)
    print(f"\n{'':{width}}  {'facet':>9} {'peer':>9} {'unit':9} {'ratio':>6}")
    for r in results:
        print(f"{r['name']:{width}}  {r['facet']:9.1f} {r['peer']:9.1f} {r['unit']:9} {r['ratio']:6.2f}")


def keep(results, whole):
    """Writes them; what the file says of others stays, or, if they are the whole, of other levels."""
    path = ROOT / "results" / "bench.json"
    before = json.loads(path.read_text()) if path.exists() else []
    stay = [r for r in before if not whole or r.get("level", level()) != level()]
    kept = {r["name"]: r for r in stay} | {r["name"]: r for r in results}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(kept.values()), indent=2) + "\n")
    print(f"written to {path.relative_to(ROOT)}")


def main(arguments):
    parser = argparse.ArgumentParser(description="facet against its peers, side by side in one run")
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--network", nargs="+", choices=chosen.network, default=chosen.network)
    parser.add_argument("--batch", nargs="+", type=int, choices=chosen.batch, default=chosen.batch)
    whole = vars(parser.parse_args([]))
    parser.parse_args(arguments, chosen)
    unknown = [part for part in chosen.part if part not in PARTS]
    if unknown:
        sys.exit(f"bench: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    limit_pytorch()
    results = measure(chosen.part or PARTS)
    if not results:
        sys.exit("bench: nothing was measured")
    show(results)
    keep(results, whole=vars(chosen) == whole)


if __name__ == "__main__":
    main(sys.argv[1:])
