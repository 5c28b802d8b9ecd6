"""Converts a MalConv of Keras or PyTorch to a SavedModel that driftbench runs.

The SavedModel has three signatures (see malconv_savedmodel.py) and beside them
assets.extra/malconv.json, which describes the model, and, where it is known,
assets.extra/trained_on.sha256, the digests of the files the network was
trained on. A random batch goes through Keras and through every signature as
read back from disk; OUT_DIR appears only when all agree with the weights in
float64. What the file does not tell, how bytes become symbols, is told by options.
"""

import argparse
import dataclasses
import json
import re
import sys
import tempfile
from pathlib import Path

import tensorflow_setup  # noqa: F401  (first)

import keras
import numpy as np
import tensorflow as tf

import malconv_graph
from malconv_savedmodel import MalConvModule

TOLERANCE = 1e-5  # of a value's scale, see reference
OUTPUTS = ("layer7", "layer8", "logits", "probs")


class ConversionError(Exception):
    """Says in one sentence why there is no SavedModel."""


def convert(source, out_dir, trained_on=None, **told):
    """Writes the SavedModel of the MalConv in source as out_dir, whole or not at all.

    told is what malconv_graph.read takes beside the file. Returns the MalConv and,
    for Keras and each signature, the largest error of each output, see compare.
    """
    source, out_dir = Path(source), Path(out_dir)
    if not source.exists():
        raise ConversionError(f"{source} is no file; expected a MalConv, as Keras or PyTorch saves it")
    if out_dir.exists() and not (out_dir / "saved_model.pb").is_file():
        raise ConversionError(f"{out_dir} exists and is no SavedModel; expected a new name or a SavedModel to replace")
    digests = read_digests(source, trained_on)
    malconv = malconv_graph.read(source, **told)

    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as scratch:
        new = Path(scratch, "new")
        MalConvModule(malconv).save(new)
        extra = new / "assets.extra"
        extra.mkdir()
        (extra / "malconv.json").write_text(json.dumps(describe(malconv), indent=2) + "\n")
        if digests:
            (extra / "trained_on.sha256").write_text("".join(digest + "\n" for digest in digests))

        differences = compare(malconv, new)
        for row in differences.values():
            for name, worst in row.items():
                if not worst <= TOLERANCE:  # NaN fails too
                    raise ConversionError(f"the SavedModel differs from Keras by {worst:.1e} of the scale of {name}; expected at most {TOLERANCE:.0e}")
        if out_dir.exists():
            out_dir.rename(Path(scratch, "old"))
        new.rename(out_dir)
    return malconv, differences


def describe(malconv):
    """The content of malconv.json."""
    return {
        "format": 1,
        "maxlen": malconv.maxlen,
        "vocabulary": malconv.vocabulary,
        "pad": malconv.pad,
        "embedding": malconv.embedding.shape[1],
        "filters": malconv.dense_kernel.shape[0],
        "window": malconv.window,
        "windows": malconv.windows,
        "lead": malconv.lead,
        "padding": malconv.padding,
        "conv_activation": malconv.conv_activation,
        "gate_activation": malconv.gate_activation,
        "merge_activation": malconv.merge_activation,
        "dense_activation": malconv.dense_activation,
        "probs": malconv.probs,
        "layers": malconv.layers,
    }


def read_digests(source, trained_on):
    """Returns the sorted SHA-256 digests of the training files, None where nothing lists them."""
    if trained_on is None:
        trained_on = Path(f"{source}.trained_on.sha256")
        if not trained_on.exists():
            return None
    digests = Path(trained_on).read_text().split()
    if not digests:
        raise ConversionError(f"{trained_on} is empty; expected one SHA-256 digest in lower-case hex a line")
    for digest in digests:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ConversionError(f"{trained_on} holds {digest[:80]!r}; expected one SHA-256 digest in lower-case hex a line")
    return sorted(set(digests))


def compare(malconv, saved_model, seed=1):
    """Runs a random batch through Keras and each signature of a SavedModel.

    Returns {"keras" or signature: {output: largest error}}, an error being the
    difference from reference over the scale there.
    """
    rng = np.random.default_rng(seed)
    maxlen, window = malconv.maxlen, malconv.window
    length = np.array([maxlen, 0, 1, min(window, maxlen), maxlen - 1, *rng.integers(0, maxlen, 3)], np.int32)
    block = rng.integers(0, 256, (len(length), min(maxlen, 2048 * window)), np.uint8)
    block[-1, : block.shape[1] // 2] = 0  # long runs of one byte make windows that repeat
    data = np.tile(block, -(-maxlen // block.shape[1]))[:, :maxlen]

    values, scales = reference(malconv, data, length)
    signatures = tf.saved_model.load(str(saved_model)).signatures
    served = [signatures["serving_default"](bytes=tf.constant(data[rows]), length=tf.constant(length[rows])) for rows in batches(malconv, len(data))]
    weights = {k: v.numpy() for k, v in signatures["weights"]().items()}
    stated = dataclasses.replace(malconv, **weights)
    got = {
        "keras": keras_features(malconv, data, length),
        "serving_default": {name: np.concatenate([row[name] for row in served]) for name in OUTPUTS},
        "windows": signatures["windows"](**{k: tf.constant(v) for k, v in distinct_windows(malconv, data, length).items()}),
        "weights": reference(stated, data, length)[0] if any(not np.array_equal(v, getattr(malconv, k)) for k, v in weights.items()) else values,
    }
    return {way: {name: largest_error(np.asarray(outputs[name]), values[name], scales[name]) for name in OUTPUTS} for way, outputs in got.items()}


def largest_error(got, value, scale):
    """Returns the largest difference over the scale; a difference where the scale is 0 is infinite."""
    difference = np.abs(got - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(difference == 0, 0, difference / scale).max())


def symbols_of(malconv, data, length):
    """Returns the symbols of files, int32 [n, maxlen]: their bytes, and the pad symbol after or before them."""
    symbols = np.full((len(data), malconv.maxlen), malconv.pad, np.int32)
    for row, content, size in zip(symbols, data, np.minimum(length, malconv.maxlen)):
        start = malconv.maxlen - size if malconv.padding == "front" else 0
        row[start : start + size] = content[:size]
    return symbols


def keras_features(malconv, data, length):
    """The features as Keras computes them."""
    symbols = malconv.symbols[symbols_of(malconv, data, length)]
    done = [malconv.keras([symbols[rows]]) for rows in batches(malconv, len(data))]
    return {name: np.concatenate(column) for name, column in zip(OUTPUTS, zip(*done))}


def batches(malconv, n):
    """Returns slices of n files: 2 MB of positions take 100 MB as they are embedded."""
    size = max(1, 2**21 // malconv.maxlen)
    return [slice(start, start + size) for start in range(0, n, size)]


def distinct_windows(malconv, data, length):
    """Returns the inputs of the signature "windows" for whole files."""
    maxlen, window, windows = malconv.maxlen, malconv.window, malconv.windows
    front = malconv.padding == "front"
    start = np.arange(windows) * window - malconv.lead  # position of each window
    lead = np.maximum(-start, 0)
    end = np.minimum(window, maxlen - start)
    rows = []  # one a window: lead, length, end, then its bytes
    for content, size in zip(data, np.minimum(length, maxlen)):
        first = maxlen - size if front else 0  # position of the first byte
        padded = np.zeros(max(windows * window, malconv.lead + maxlen), np.uint8)
        padded[malconv.lead + first :][:size] = content[:size]
        inside = np.minimum(start + end, first + size) - np.maximum(start + lead, first)
        rows.append(np.column_stack([lead, np.maximum(inside, 0), end, padded[: windows * window].reshape(windows, window)]))
    distinct, index = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
    lead, inside, end = distinct[:, :3].astype(np.int32).T
    return {
        "windows": distinct[:, 3:].astype(np.uint8),
        "lead": lead,
        "length": inside,
        "end": end,
        "index": index.reshape(-1).astype(np.int32),
        "segment": np.repeat(np.arange(len(data), dtype=np.int32), windows),
        "files": np.int32(len(data)),
    }


def reference(malconv, data, length):
    """Returns the features of files in float64, and the scale of each, as {output: [n, width]}.

    The scale of a value is itself plus what it would change by if the root sum of
    squares of its terms were added to each sum on the way to it. Rounding is a
    small multiple of it, whether or not the terms cancel, an activation is
    saturated or a probability is small.
    """
    m = malconv
    window, windows, width = m.window, m.windows, m.embedding.shape[1]
    table = np.vstack([m.embedding, np.zeros(width)]).astype(np.float64)  # the last row is void
    kernel, bias = m.conv_kernel.reshape(-1, len(m.conv_bias)).astype(np.float64), m.conv_bias.astype(np.float64)
    layer7, scale7 = [], []
    for symbols in symbols_of(m, data, length)[:, : windows * window]:
        void = windows * window - len(symbols)
        cut = np.pad(symbols, (m.lead, void - m.lead), constant_values=m.vocabulary).reshape(windows, window)
        cut = np.unique(cut, axis=0)
        values, scales = [], []
        for some in np.array_split(cut, -(-len(cut) // 1024)):
            embedded = table[some].reshape(len(some), -1)
            conv, gate = np.split(embedded @ kernel + bias, 2, axis=-1)
            conv_scale, gate_scale = np.split(np.sqrt(embedded**2 @ kernel**2 + bias**2), 2, axis=-1)
            (conv, conv_scale), (gate, gate_scale) = _activated(m.conv_activation, conv, conv_scale), _activated(m.gate_activation, gate, gate_scale)
            value, scale = _activated(m.merge_activation, conv * gate, conv_scale * np.abs(gate) + np.abs(conv) * gate_scale)
            values.append(value)
            scales.append(scale)
        values, scales = np.concatenate(values), np.concatenate(scales)
        largest = values.max(axis=0)
        layer7.append(largest)
        scale7.append(np.where(values + TOLERANCE * scales >= largest, scales, 0).max(axis=0))  # rounding may exchange the largest
    layer7, scale7 = np.stack(layer7), np.stack(scale7)
    layer8, scale8 = _activated(m.dense_activation, *_dense(layer7, scale7, m.dense_kernel, m.dense_bias))
    logits, scale = _dense(layer8, scale8, m.logits_kernel, m.logits_bias)
    if m.probs == "softmax":
        probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probs /= probs.sum(axis=-1, keepdims=True)
        probs_scale = probs + 2 * probs * (1 - probs) * scale.max(axis=-1, keepdims=True)
    else:
        probs, probs_scale = _activated(m.probs, logits, scale)
    scales = scale7, scale8, np.abs(logits) + scale, probs_scale
    return dict(zip(OUTPUTS, (layer7, layer8, logits, probs))), dict(zip(OUTPUTS, scales))


def _dense(x, scale, kernel, bias):
    """Returns x·kernel + bias and its scale."""
    kernel, bias = kernel.astype(np.float64), bias.astype(np.float64)
    return x @ kernel + bias, np.sqrt((scale**2) @ kernel**2 + bias**2)


def _activated(activation, x, scale):
    """Returns the activation of x and its scale."""

    def apply(x):
        return keras.ops.convert_to_numpy(keras.activations.get(activation)(tf.constant(x)))

    value, step = apply(x), 1e-3  # small beside what an activation is curved by, large beside TOLERANCE
    change = np.maximum(np.abs(apply(x + step * scale) - value), np.abs(apply(x - step * scale) - value)) / step
    return value, np.abs(value) + change


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="IN", help="the MalConv: a model that Keras saved (.h5, .keras, or the folder of Keras 2), or the weights of one of PyTorch; the content tells which")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="the SavedModel to write")
    parser.add_argument("--bytes", choices=["plain", "plus-one"], help="what the model takes for a byte v: v, or v+1 with 0 for padding (default what the weights of PyTorch tell, else plain)")
    parser.add_argument("--padding", choices=["back", "front"], default="back", help="where a file shorter than the model's input is padded; a longer one gives its first bytes either way (default %(default)s)")
    parser.add_argument("--pad", type=int, metavar="N", help="what the model takes for padding (default 0, or 256 where bytes are plain in a vocabulary of 257)")
    parser.add_argument("--maxlen", type=int, metavar="N", help="bytes that a model reads of a file, where it does not say it, as weights of PyTorch do not")
    parser.add_argument("--trained-on", metavar="FILE", help="SHA-256 digests of the training files (default IN.trained_on.sha256, if there)")
    args = parser.parse_args()
    tf.config.set_visible_devices([], "GPU")  # which rounds products to TF32
    try:
        malconv, differences = convert(args.source, args.out_dir, args.trained_on, bytes=args.bytes, padding=args.padding, pad=args.pad, maxlen=args.maxlen)
    except malconv_graph.NotMalConv as error:
        sys.exit(f"convert_savedmodel: {args.source} is no MalConv: {error}")
    except (ConversionError, OSError) as error:
        sys.exit(f"convert_savedmodel: {error}")
    for note in malconv.notes:
        print(f"convert_savedmodel: {args.source}: {note}", file=sys.stderr)
    print(f"{args.out_dir}: {json.dumps(describe(malconv))}")
    print("largest difference from the weights in float64, relative to the scale of a value:")
    for signature, row in differences.items():
        print(f"  {signature:16}" + "".join(f"{name} {value:.1e}  " for name, value in row.items()).rstrip())


if __name__ == "__main__":
    main()
