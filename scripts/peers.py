"""Times driftbench beside the other ways to get the features of the same files.

The ways, with the same weights, on the same files, in the same run:

    keras        Keras predict, layer7 and layer8 in one model
    notebook     lists of bytes, a predict for each layer, scores from N×N products
    onnxruntime  the same network in ONNX Runtime, OpenVINO and PyTorch in float32,
    openvino     where they are installed, twice: -conv has the convolutions as the
    pytorch      model has them, -product as one matrix product over its windows
    ...          the engines of driftbench, through its command line

A round runs every way once, in shuffled order, so that what else the machine
does hits all alike; a ratio is the median over the rounds of the ratio within
a round. Everything is written in the Go benchmark format, which
`driftbench compare --col /engine` and benchstat read.
"""

import argparse
import csv
import importlib.metadata
import importlib.util
import io
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import tensorflow_setup  # noqa: F401  (first)

import keras
import numpy as np
import tensorflow as tf

UNITS = {"samples/s": "higher", "MB/s": "higher", "ns/op": "lower", "p50-latency-ns": "lower",
         "p90-latency-ns": "lower", "p99-latency-ns": "lower", "peak-RSS-bytes": "lower"}


class Network(NamedTuple):
    """A MalConv as its converted SavedModel states it."""

    spec: dict  # assets.extra/malconv.json
    weights: dict  # name to float32 array, see malconv_graph.MalConv

    @property
    def padding(self):
        """"valid" where the windows leave a rest of the file unread, or fit."""
        return "valid" if self.spec["windows"] * self.spec["window"] <= self.spec["maxlen"] else "same"

    @property
    def convolutions(self):
        """Kernel and bias of the convolution, then of its gate."""
        kernels = np.split(self.weights["conv_kernel"], 2, axis=-1)
        biases = np.split(self.weights["conv_bias"], 2)
        return list(zip(kernels, biases))


def read_network(model_dir):
    """Reads shape and weights out of a SavedModel of convert_savedmodel.py."""
    path = Path(model_dir, "assets.extra", "malconv.json")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: convert the model with scripts/convert_savedmodel.py")
    spec = json.loads(path.read_text())
    usual = {"padding": "back", "gate_activation": "sigmoid"}
    if any(spec.get(key, value) != value for key, value in usual.items()):
        raise ValueError(f"{path} has padding in front or a gate by ReLU: the peers compute neither")
    weights = tf.saved_model.load(str(model_dir)).signatures["weights"]()
    return Network(spec, {name: w.numpy() for name, w in weights.items()})


def keras_model(network):
    """Returns the Keras model from symbols, int32 [n, maxlen], to layer7 and layer8."""
    spec, w = network.spec, network.weights
    symbols = keras.Input((spec["maxlen"],), dtype="int32")
    embedded = keras.layers.Embedding(spec["vocabulary"], spec["embedding"])(symbols)
    conv, gate = (
        keras.layers.Conv1D(spec["filters"], spec["window"], strides=spec["window"], padding=network.padding, activation=activation, name=name)(embedded)
        for name, activation in (("conv", spec["conv_activation"]), ("gate", "sigmoid"))
    )
    merged = keras.layers.Activation(spec["merge_activation"])(keras.layers.Multiply()([conv, gate]))
    layer7 = keras.layers.GlobalMaxPooling1D()(merged)
    layer8 = keras.layers.Dense(w["dense_bias"].shape[0], activation=spec["dense_activation"], name="dense")(layer7)
    model = keras.Model(symbols, [layer7, layer8])
    embedding = next(layer for layer in model.layers if isinstance(layer, keras.layers.Embedding))
    embedding.set_weights([w["embedding"]])
    for name, parts in zip(("conv", "gate"), network.convolutions):
        model.get_layer(name).set_weights(parts)
    model.get_layer("dense").set_weights([w["dense_kernel"], w["dense_bias"]])
    return model


def read_symbols(paths, spec):
    """Reads the first maxlen bytes of files as int32 [n, maxlen], padded."""
    symbols = np.full((len(paths), spec["maxlen"]), spec["pad"], np.int32)
    for row, path in zip(symbols, paths):
        with open(path, "rb") as f:
            data = f.read(spec["maxlen"])
        row[: len(data)] = np.frombuffer(data, np.uint8)
    return symbols


class Way(NamedTuple):
    """One way to features: run(paths, symbols) returns the features of the files.

    A way that reads gets the paths, another the symbols that were read before.
    """

    engine: str
    batch: int
    read: bool
    run: callable


def keras_ways(network, batch):
    model = keras_model(network)

    def predict(symbols):
        return model.predict(symbols, batch_size=batch, verbose=0)

    def read_and_predict(paths):
        """Reads a few batches at a time: the memory of all symbols at once would slow Keras down."""
        chunk = 8 * batch
        parts = [predict(read_symbols(paths[i : i + chunk], network.spec)) for i in range(0, len(paths), chunk)]
        return [np.concatenate(layer) for layer in zip(*parts)]

    return [
        Way("keras", batch, False, lambda paths, symbols: predict(symbols)),
        Way("keras", batch, True, lambda paths, symbols: read_and_predict(paths)),
    ]


def notebook_ways(network, batch, labels):
    """The way of a notebook. Its Gaussians are fitted before the clock starts, on the files themselves."""
    model = keras_model(network)
    layers = [keras.Model(model.inputs, output) for output in model.outputs]
    gaussians = []

    def features(paths):
        contents = []
        for path in paths:
            with open(path, "rb") as f:
                contents.append(list(f.read(network.spec["maxlen"])))
        symbols = keras.utils.pad_sequences(contents, maxlen=network.spec["maxlen"], padding="post", truncating="post", value=network.spec["pad"])
        return [layer.predict(symbols, batch_size=batch, verbose=0) for layer in layers]

    def fit(layer):
        means = {label: layer[labels == label].mean(axis=0) for label in np.unique(labels)}
        centred = layer - np.stack([means[label] for label in labels])
        return list(means.values()), np.linalg.pinv(centred.T @ centred / len(layer), hermitian=True)

    def run(paths, symbols):
        found = features(paths)
        if not gaussians:
            gaussians.extend(fit(layer) for layer in found)
        for layer, (means, precision) in zip(found, gaussians):
            scores_from_square(layer, means, precision)
        return found

    return [Way("notebook", batch, True, run)]


def scores_from_square(layer, means, precision):
    """Returns max over classes of -½ (f-μ)ᵀP(f-μ), [n], as the diagonal of an n×n product."""
    return np.max([np.diag(-0.5 * (layer - mean) @ precision @ (layer - mean).T) for mean in means], axis=0)


def installed(runtime, *packages):
    """Whether the packages of a runtime are there; says so where they are not."""
    if all(importlib.util.find_spec(package) for package in packages):
        return True
    print(f"{runtime} is left out: it is not installed (scripts/requirements/peers.txt, torch.txt)", file=sys.stderr)
    return False


def batched(forward, batch):
    """A run of symbols in batches of forward, which returns the layers of one batch."""
    def run(paths, symbols):
        parts = [forward(symbols[i : i + batch]) for i in range(0, len(symbols), batch)]
        return [np.concatenate(layer) for layer in zip(*parts)]

    return run


def pytorch_ways(network, batch):
    if not installed("pytorch", "torch"):
        return []
    import torch

    spec, w = network.spec, {name: torch.from_numpy(value) for name, value in network.weights.items()}
    convolutions = [(torch.from_numpy(np.ascontiguousarray(kernel.transpose(2, 1, 0))), torch.from_numpy(bias)) for kernel, bias in network.convolutions]
    activation = {"linear": lambda x: x, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "selu": torch.selu}
    conv_act, merge_act, dense_act = (activation[spec[key]] for key in ("conv_activation", "merge_activation", "dense_activation"))
    covered = spec["windows"] * spec["window"]
    void = max(covered - spec["maxlen"], 0)
    product = w["conv_kernel"].reshape(-1, 2 * spec["filters"])

    def head(conv, gate, positions):
        layer7 = merge_act(conv_act(conv) * torch.sigmoid(gate)).amax(dim=positions)
        return layer7.numpy(), dense_act(layer7 @ w["dense_kernel"] + w["dense_bias"]).numpy()

    @torch.inference_mode()
    def by_convolution(symbols):
        embedded = torch.nn.functional.embedding(torch.from_numpy(symbols), w["embedding"]).transpose(1, 2)
        embedded = torch.nn.functional.pad(embedded, (spec["lead"], void - spec["lead"]))
        conv, gate = (torch.nn.functional.conv1d(embedded, kernel, bias, stride=spec["window"]) for kernel, bias in convolutions)
        return head(conv, gate, -1)

    @torch.inference_mode()
    def by_product(symbols):
        embedded = torch.nn.functional.embedding(torch.from_numpy(symbols), w["embedding"])
        embedded = torch.nn.functional.pad(embedded, (0, 0, spec["lead"], void - spec["lead"]))[:, :covered]
        sums = embedded.reshape(len(symbols), spec["windows"], -1) @ product + w["conv_bias"]
        return head(*sums.split(spec["filters"], dim=-1), 1)

    return [Way("pytorch-conv", batch, False, batched(by_convolution, batch)), Way("pytorch-product", batch, False, batched(by_product, batch))]


def onnx_model(network, product):
    """The network from symbols, int32 [n, maxlen], to layer7 and layer8 as the bytes of an ONNX model."""
    from onnx import TensorProto, helper, numpy_helper

    spec, w = network.spec, network.weights
    windows, window, filters, width = spec["windows"], spec["window"], spec["filters"], spec["embedding"]
    covered = windows * window
    void = max(covered - spec["maxlen"], 0)
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(op, inputs, outputs=1, **attributes):
        names = [f"{op}_{len(nodes)}_{i}" for i in range(outputs)]
        nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def activate(name, x):
        ops = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "selu": "Selu"}
        return x if name == "linear" else add(ops[name], [x])

    def whole(name, *numbers):
        return constant(name, np.array(numbers, np.int64))

    x = "symbols"
    if void > 0:  # the symbol after the last one is void
        x = add("Pad", [x, whole("pads", 0, spec["lead"], 0, void - spec["lead"]), constant("void", np.array(spec["vocabulary"], np.int32))])
    elif covered < spec["maxlen"]:
        x = add("Slice", [x, whole("first", 0), whole("end", covered), whole("axis", 1)])
    x = add("Gather", [constant("table", np.concatenate([w["embedding"], np.zeros((1, width), np.float32)])), x])
    if product:
        x = add("Reshape", [x, whole("shape", -1, windows, window * width)])
        x = add("MatMul", [x, constant("kernel", w["conv_kernel"].reshape(window * width, 2 * filters))])
        x, channels, positions = add("Add", [x, constant("bias", w["conv_bias"])]), 2, 1
    else:
        x = add("Transpose", [x], perm=[0, 2, 1])
        kernel = constant("kernel", w["conv_kernel"].transpose(2, 1, 0))
        x, channels, positions = add("Conv", [x, kernel, constant("bias", w["conv_bias"])], strides=[window]), 1, 2
    conv, gate = add("Split", [x], 2, axis=channels)
    merged = activate(spec["merge_activation"], add("Mul", [activate(spec["conv_activation"], conv), add("Sigmoid", [gate])]))
    layer7 = add("ReduceMax", [merged], axes=[positions], keepdims=0)
    layer8 = activate(spec["dense_activation"], add("Gemm", [layer7, constant("dense", w["dense_kernel"]), constant("dense bias", w["dense_bias"])]))
    graph = helper.make_graph(
        nodes, "malconv", [helper.make_tensor_value_info("symbols", TensorProto.INT32, ["n", spec["maxlen"]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in (layer7, layer8)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


FORMS = {"conv": False, "product": True}  # whether the convolutions are one product


def onnxruntime_ways(network, batch):
    if not installed("onnxruntime", "onnx", "onnxruntime"):
        return []
    import onnxruntime

    def forward(product):
        session = onnxruntime.InferenceSession(onnx_model(network, product), providers=["CPUExecutionProvider"])
        return lambda symbols: session.run(None, {"symbols": symbols})

    return [Way(f"onnxruntime-{form}", batch, False, batched(forward(product), batch)) for form, product in FORMS.items()]


def openvino_ways(network, batch):
    if not installed("openvino", "onnx", "openvino"):
        return []
    import openvino

    def forward(product):
        core = openvino.Core()
        model = core.compile_model(core.read_model(io.BytesIO(onnx_model(network, product))), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda symbols: [layer.copy() for layer in model([symbols]).values()]

    return [Way(f"openvino-{form}", batch, False, batched(forward(product), batch)) for form, product in FORMS.items()]


def runtime_ways(network, batch):
    return onnxruntime_ways(network, batch) + openvino_ways(network, batch) + pytorch_ways(network, batch)


def largest_difference(got, expected):
    """The largest difference of two lists of layers, over each layer's largest value."""
    return max(float(np.abs(g - e).max() / (np.abs(e).max() or 1)) for g, e in zip(got, expected))


class Line(NamedTuple):
    """One line of a benchmark file: the keys of its name, and its values by unit."""

    key: dict
    files: int
    values: dict

    def __str__(self):
        name = "/".join(f"{k}={v}" for k, v in self.key.items())
        return f"BenchmarkExtract/{name} {self.files} " + " ".join(f"{v:.10g} {unit}" for unit, v in self.values.items())


def measure(way, paths, symbols, volume):
    """Runs one way over all files, once, and returns its Line."""
    start = time.perf_counter()
    way.run(paths, symbols)
    seconds = time.perf_counter() - start
    key = {"engine": way.engine, "device": "cpu", "batch": way.batch, "read": "yes" if way.read else "no", "scenario": "offline"}
    return Line(key, len(paths), {"ns/op": seconds * 1e9 / len(paths), "samples/s": len(paths) / seconds, "MB/s": volume / 1e6 / seconds})


def measure_stream(way, paths, symbols, volume):
    """Runs one way over the files one at a time and returns its Line, with percentiles by nearest rank."""
    latencies = []
    for i, path in enumerate(paths):
        start = time.perf_counter_ns()
        way.run([path], symbols[i : i + 1])
        latencies.append(time.perf_counter_ns() - start)
    seconds = sum(latencies) / 1e9
    latencies.sort()
    key = {"engine": way.engine, "device": "cpu", "batch": 1, "read": "yes" if way.read else "no", "scenario": "single-stream"}
    values = {"ns/op": seconds * 1e9 / len(paths), "samples/s": len(paths) / seconds, "MB/s": volume / 1e6 / seconds}
    for p in (50, 90, 99):
        values[f"p{p}-latency-ns"] = latencies[math.ceil(p / 100 * len(latencies)) - 1]
    return Line(key, len(paths), values)


def parse(text):
    """Splits a benchmark file into its environment and the Lines that time files."""
    environment, lines = {}, []
    for line in text.splitlines():
        if line.startswith("Benchmark"):
            name, files, *pairs = line.split()
            key = dict(part.split("=", 1) for part in name.split("/")[1:])
            values = {unit: float(value) for value, unit in zip(pairs[::2], pairs[1::2])}
            if "samples/s" in values:
                lines.append(Line(key, int(files), values))
        elif line[:1].islower() and ": " in line:
            key, value = line.split(": ", 1)
            environment[key] = value.strip()
    return environment, lines


def run_driftbench(binary, *arguments):
    """Runs a driftbench command; its own message says what went wrong."""
    done = subprocess.run([binary, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{binary} {arguments[0]} failed: {done.stderr.strip()}")


def split_rows(binary, corpus, folder):
    """The rows of a corpus's splits, of files that are there and not empty."""
    run_driftbench(binary, "splits", "--corpus", corpus, "--out", folder)
    rows = []
    for table in sorted(Path(folder, "splits").glob("*.csv")):
        if table.name == "roles.csv":  # the roles of all rows, without paths
            continue
        with open(table, newline="", encoding="utf-8", errors="surrogateescape") as f:
            rows += [row for row in csv.DictReader(f) if os.path.isfile(row["path"]) and os.path.getsize(row["path"])]
    return rows


def choose_files(binary, corpus, count, folder):
    """Copies every k-th file of a corpus's splits into folder, as a corpus of its own.

    Returns (paths, labels). Its dates and split are of no meaning: all files are timed.
    """
    rows = split_rows(binary, corpus, folder)
    rows = [rows[i * len(rows) // count] for i in range(count)] if count < len(rows) else rows
    if len(rows) < 4:
        raise RuntimeError(f"{corpus} has {len(rows)} files: a comparison needs at least 4")
    out = Path(folder, "corpus")
    out.mkdir()
    paths = []
    with open(out / "dataset.csv", "w") as f:
        f.write("name,label,first_seen\n")
        for i, row in enumerate(rows):
            paths.append(Path(shutil.copy(row["path"], out / f"{i}.bin")))
            f.write(f"{i}.bin,file,{2017 + i % 2}-01\n")
    (out / "corpus.yaml").write_text(
        'labels: [file]\ntrain: {name: "2017", from: 2017-01, to: 2017-12, fit: 0.5, holdout: random}\n'
        'tests: [{name: "2018", from: 2018-01, to: 2018-12, sample: 1}]\n')
    return paths, np.array([row["label"] for row in rows])


def median_interval(values):
    """Returns the median and its interval of at least 95% from order statistics, NaN below 6 values."""
    x, n = sorted(values), len(values)
    outside, k = 0.0, 0  # outside: P(fewer than k of n fall below the median)
    while (outside + math.comb(n, k) / 2**n) * 2 <= 0.05:
        outside += math.comb(n, k) / 2**n
        k += 1
    lo, hi = (x[k - 1], x[n - k]) if k else (math.nan, math.nan)
    return statistics.median(x), lo, hi


def ratios(rounds, base):
    """Yields (line key, median speed, then median ratio to base with its interval).

    A line is set against the base's line of the same scenario and reading; without one there is no ratio.
    Speed is samples/s.
    """
    def find(lines, engine, like):
        same = (l for l in lines if all(l.key[k] == v for k, v in {**like, "engine": engine}.items()))
        return next(same, None)

    for first in rounds[0]:
        own = [find(lines, first.key["engine"], first.key).values["samples/s"] for lines in rounds]
        like = {k: first.key[k] for k in ("scenario", "read")}
        base_lines = [find(lines, base, like) for lines in rounds]
        found = base_lines[0] and median_interval([a / b.values["samples/s"] for a, b in zip(own, base_lines)])
        yield first.key, statistics.median(own), found


def print_table(rounds):
    bases = ["keras", "notebook"]
    columns = {base: [r for _, _, r in ratios(rounds, base)] for base in bases}
    print(f"\n{'':56}{'samples/s':>10}" + "".join(f"{'x ' + base + ' (95%)':>25}" for base in bases))
    for i, (key, speed, _) in enumerate(ratios(rounds, bases[0])):
        label = f"{key['engine']}, {key['scenario']}, batch {key.get('batch', 1)}, " + ("with reading" if key["read"] == "yes" else "no reading")
        label += {"empty": ", empty cache", "full": ", full cache"}.get(key.get("cache"), "")
        cells = ""
        for base in bases:
            ratio = columns[base][i]
            interval = "" if ratio is None or math.isnan(ratio[1]) else f" ({ratio[1]:.2f}-{ratio[2]:.2f})"
            cells += f"{'' if ratio is None else f'{ratio[0]:.2f}' + interval:>25}"
        print(f"{label:56}{speed:10.1f}{cells}")


def print_against_fastest(rounds, engines):
    """Prints how fast each engine is beside the fastest of the other ways, on files in memory."""
    def in_memory(key):
        return key["scenario"] == "offline" and key["read"] == "no"

    speeds = {key["engine"]: speed for key, speed, _ in ratios(rounds, "keras") if in_memory(key)}
    fastest = max((e for e in speeds if e not in engines), key=speeds.get)
    for key, _, ratio in ratios(rounds, fastest):
        if in_memory(key) and key["engine"] in engines:
            interval = "" if math.isnan(ratio[1]) else f" ({ratio[1]:.2f}-{ratio[2]:.2f})"
            print(f"{key['engine']} is {ratio[0]:.2f}{interval} times the fastest other runtime, {fastest}, on files in memory")


def write(path, environment, rounds):
    """Writes the benchmark file, whole or not at all."""
    text = "".join(f"Unit {unit} better={better}\n" for unit, better in UNITS.items())
    text += "".join(f"{key}: {value}\n" for key, value in environment.items()) + "\n"
    text += "".join(f"{line}\n" for lines in rounds for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as f:
        f.write(text)
    os.chmod(f.name, 0o644)
    os.replace(f.name, path)


def host():
    """The environment, under the keys of `go test` and the versions of the peers."""
    found = {"goos": platform.system().lower(), "goarch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())}
    for package in ("keras", "tensorflow-cpu", "tensorflow", "onnxruntime", "openvino", "torch", "numpy"):
        try:
            found["python-" + package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def compare(args, scratch):
    """Runs all rounds; returns the environment and the Lines of each round."""
    paths, labels = choose_files(args.driftbench, args.corpus, args.files, scratch)
    network = read_network(args.model)
    symbols = read_symbols(paths, network.spec)
    sizes = np.array([min(path.stat().st_size, network.spec["maxlen"]) for path in paths], np.int32)
    volume = int(sizes.sum())
    ways = keras_ways(network, args.batch) + notebook_ways(network, args.batch, labels) + runtime_ways(network, args.batch)

    # The warm-up is a check too: all ways must give what the SavedModel gives.
    serve = tf.saved_model.load(str(args.model)).signatures["serving_default"]
    expected = serve(bytes=tf.constant(symbols[:8].astype(np.uint8)), length=tf.constant(sizes[:8]))
    expected = [expected["layer7"].numpy(), expected["layer8"].numpy()]
    for way in ways:
        got = [layer[:8] for layer in way.run(paths, symbols)]
        difference = largest_difference(got, expected)
        if not difference <= 1e-4:
            raise RuntimeError(f"{way.engine} differs from the SavedModel by {difference:.1e} of a layer's largest value")
        way.run(paths[:1], symbols[:1])  # a graph of its own for one file

    environment = {}

    def driftbench():
        out = Path(scratch, "out")
        run_driftbench(args.driftbench, "throughput", "--model", args.model, "--corpus", Path(scratch, "corpus"), "--engine", args.engine,
                       "--device", "cpu", "--batch", args.batch, "--pass", len(paths), "--count", 1, "--out", out)
        found, lines = parse((out / "bench.txt").read_text())
        environment.update(found)
        return lines

    jobs = [lambda way=way: [measure(way, paths, symbols, volume)] for way in ways]
    jobs += [lambda way=way: [measure_stream(way, paths, symbols, volume)] for way in ways if not way.read]
    jobs.append(driftbench)
    order = random.Random(1)
    rounds = []
    for i in range(args.rounds):
        shuffled = order.sample(range(len(jobs)), len(jobs))
        results = {j: jobs[j]() for j in shuffled}
        rounds.append([line for j in range(len(jobs)) for line in results[j]])
        print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
    return {**environment, **host(), "files": str(len(paths)), "corpus": Path(args.corpus).resolve().name}, rounds


def arguments(description):
    """The arguments of every comparison; the engine and what is timed are the caller's to add."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--driftbench", required=True, metavar="FILE", help="the driftbench command")
    parser.add_argument("--model", required=True, metavar="DIR", help="a SavedModel of convert_savedmodel.py; its weights are used for all")
    parser.add_argument("--corpus", required=True, metavar="DIR", help="corpus folder")
    parser.add_argument("--rounds", type=int, default=10, help="repetitions of everything (default 10; intervals need 6)")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="benchmark file to write")
    return parser


def report(args, compare):
    """Makes a comparison, writes and prints it, and returns the Lines of each round."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            environment, rounds = compare(args, scratch)
    except (OSError, RuntimeError) as error:
        sys.exit(f"peers: {error}")
    write(args.out, environment, rounds)
    print_table(rounds)
    return rounds


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--engine", default="tensorflow", help="engines of driftbench, separated by commas (default tensorflow)")
    parser.add_argument("--files", type=int, default=64, metavar="N", help="files to time, spread over the corpus (default 64)")
    parser.add_argument("--batch", type=int, default=32, help="files in a batch (default 32)")
    args = parser.parse_args()
    rounds = report(args, compare)
    print_against_fastest(rounds, args.engine.split(","))
    print(f"\n{args.out} holds every repetition; driftbench compare {args.out} --col /engine compares them with p-values.")


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")  # the comparison is of the CPU
    main()
