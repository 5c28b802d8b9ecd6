"""Converts a Keras MalConv (.h5 or .keras) to a SavedModel that driftbench runs.

The SavedModel has three signatures (see malconv_savedmodel.py) and beside them
assets.extra/malconv.json, which describes the model, and, where it is known,
assets.extra/trained_on.sha256, the digests of the files the network was
trained on. A random batch goes through Keras and through every signature as
read back from disk; OUT_DIR appears only when they agree.
"""

import argparse
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

TOLERANCE = 1e-5  # of a layer's largest value
OUTPUTS = ("layer7", "layer8", "logits", "probs")


class ConversionError(Exception):
    """Says in one sentence why there is no SavedModel."""


def convert(source, out_dir, pad=None, trained_on=None):
    """Writes the SavedModel of the Keras file source as out_dir, whole or not at all.

    Returns the MalConv and, per signature and output, the largest difference to Keras.
    """
    source, out_dir = Path(source), Path(out_dir)
    if not source.is_file():
        raise ConversionError(f"{source} is no file; expected a Keras model, .h5 or .keras")
    if out_dir.exists() and not (out_dir / "saved_model.pb").is_file():
        raise ConversionError(f"{out_dir} exists and is no SavedModel; expected a new name or a SavedModel to replace")
    digests = read_digests(source, trained_on)
    malconv = malconv_graph.read(source, pad)

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
        worst = max(max(row.values()) for row in differences.values())
        if not worst <= TOLERANCE:  # NaN fails too
            raise ConversionError(f"the SavedModel differs from Keras by {worst:.1e} of a layer's largest value; expected at most {TOLERANCE:.0e}")
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
        "conv_activation": malconv.conv_activation,
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

    Returns {signature: {output: largest difference over the output's largest value}}.
    """
    rng = np.random.default_rng(seed)
    maxlen, window = malconv.maxlen, malconv.window
    length = np.array([maxlen, 0, 1, window, maxlen - 1, *rng.integers(0, maxlen, 3)], np.int32)
    data = rng.integers(0, 256, (len(length), maxlen), np.uint8)
    data[-1, : maxlen // 2] = 0  # long runs of one byte make windows that repeat

    expected = keras_features(malconv, data, length)
    signatures = tf.saved_model.load(str(saved_model)).signatures
    got = {
        "serving_default": signatures["serving_default"](bytes=tf.constant(data), length=tf.constant(length)),
        "windows": signatures["windows"](**{k: tf.constant(v) for k, v in distinct_windows(malconv, data, length).items()}),
        "weights": features_of_weights(malconv, {k: v.numpy() for k, v in signatures["weights"]().items()}, data, length),
    }
    return {
        signature: {name: largest_difference(np.asarray(outputs[name]), expected[name]) for name in OUTPUTS}
        for signature, outputs in got.items()
    }


def largest_difference(got, expected):
    """Largest difference relative to the largest expected value, or absolute where all of them are 0."""
    return float(np.abs(got - expected).max() / (np.abs(expected).max() or 1))


def symbols_of(malconv, data, length):
    """Returns what Keras reads, int32 [n, maxlen]: the bytes, then the pad symbol."""
    return np.where(np.arange(malconv.maxlen) < length[:, None], data.astype(np.int32), malconv.pad)


def keras_features(malconv, data, length):
    """The features as Keras computes them."""
    return dict(zip(OUTPUTS, malconv.keras.predict(symbols_of(malconv, data, length), batch_size=2, verbose=0)))


def distinct_windows(malconv, data, length):
    """Returns the inputs of the signature "windows" for whole files."""
    maxlen, window, windows = malconv.maxlen, malconv.window, malconv.windows
    start = np.arange(windows) * window - malconv.lead  # file position of each window
    lead = np.maximum(-start, 0)
    end = np.minimum(window, maxlen - start)
    rows = []  # one a window: lead, length, end, then its bytes
    for content, size in zip(data, length):
        padded = np.zeros(windows * window, np.uint8)
        size = min(size, maxlen, windows * window)  # "valid" padding leaves a rest unread
        padded[malconv.lead : malconv.lead + size] = content[:size]
        inside = np.clip(size - (start + lead), 0, end - lead)
        rows.append(np.column_stack([lead, inside, end, padded.reshape(windows, window)]))
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


def features_of_weights(malconv, weights, data, length):
    """The features computed in NumPy from the signature "weights"."""

    def apply(activation, x):
        return np.asarray(keras.activations.get(activation)(x))

    window, windows = malconv.window, malconv.windows
    kernel = weights["conv_kernel"].reshape(-1, weights["conv_bias"].shape[0])
    layer7 = []
    for symbols in symbols_of(malconv, data, length):
        embedded = weights["embedding"][symbols][: windows * window]
        void = windows * window - len(embedded)
        embedded = np.pad(embedded, [(malconv.lead, void - malconv.lead), (0, 0)])
        conv, gate = np.split(embedded.reshape(windows, -1) @ kernel + weights["conv_bias"], 2, axis=-1)
        layer7.append(apply(malconv.merge_activation, apply(malconv.conv_activation, conv) * apply("sigmoid", gate)).max(axis=0))
    layer7 = np.stack(layer7)
    layer8 = apply(malconv.dense_activation, layer7 @ weights["dense_kernel"] + weights["dense_bias"])
    logits = layer8 @ weights["logits_kernel"] + weights["logits_bias"]
    return {"layer7": layer7, "layer8": layer8, "logits": logits, "probs": apply(malconv.probs, logits)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="IN", help="the Keras model, .h5 or .keras")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="the SavedModel to write")
    parser.add_argument("--pad", type=int, metavar="N", help="symbol after the end of a file (default 0, or 256 in a vocabulary of 257)")
    parser.add_argument("--trained-on", metavar="FILE", help="SHA-256 digests of the training files (default IN.trained_on.sha256, if there)")
    args = parser.parse_args()
    tf.config.set_visible_devices([], "GPU")  # which rounds products to TF32
    try:
        malconv, differences = convert(args.source, args.out_dir, args.pad, args.trained_on)
    except malconv_graph.NotMalConv as error:
        sys.exit(f"convert_savedmodel: {args.source} is no MalConv: {error}")
    except (ConversionError, OSError) as error:
        sys.exit(f"convert_savedmodel: {error}")
    print(f"{args.out_dir}: {json.dumps(describe(malconv))}")
    print("largest difference to Keras, relative to the layer's largest value:")
    for signature, row in differences.items():
        print(f"  {signature:16}" + "".join(f"{name} {value:.1e}  " for name, value in row.items()).rstrip())


if __name__ == "__main__":
    main()
