"""Writes tfmodel/testdata: small converted MalConvs, and what Keras computes with them.

    python scripts/golden/models.py

Each model is one member of the family with random weights, converted as a
user's would be; "exported" is one that the converter has not seen. keras.json holds the files, as spans of one block of bytes, and
for every model the rows that Keras itself predicts from them, which the
engines of tfmodel are held to.
"""

import base64
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import tensorflow_setup  # noqa: F401  (before TensorFlow)

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from convert_savedmodel import convert

OUT = Path(__file__).parent.parent.parent / "tfmodel/testdata"
OUTPUTS = ("layer7", "layer8", "logits")


def build(maxlen, window, vocabulary, padding, conv=None, gate="sigmoid", merge=None, dense=None, classes=4):
    """Returns a MalConv of few filters whose layers are named as its outputs."""
    symbols = keras.Input((maxlen,), dtype="int32")
    embedded = layers.Embedding(vocabulary, 4, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0))(symbols)
    options = {"strides": window, "padding": padding, "bias_initializer": "random_normal"}
    product = layers.Multiply()([
        layers.Conv1D(16, window, activation=conv, **options)(embedded),
        layers.Conv1D(16, window, activation=gate, **options)(embedded),
    ])  # fmt: skip
    merged = layers.Activation(merge)(product) if merge else product
    layer7 = layers.GlobalMaxPooling1D(name="layer7")(merged)
    layer8 = layers.Dense(8, activation=dense, bias_initializer="random_normal", name="layer8")(layer7)
    logits = layers.Dense(classes, bias_initializer="random_normal", name="logits")(layer8)
    return keras.Model(symbols, layers.Activation("sigmoid" if classes == 1 else "softmax")(logits))


MODELS = {
    "default": lambda: build(2000, 50, 256, "same", merge="relu"),
    "valid": lambda: build(2030, 50, 256, "valid", dense="relu"),
    "same": lambda: build(2015, 49, 257, "same", merge="relu", dense="tanh"),
    "ember": lambda: build(2048, 50, 257, "valid", conv="relu", dense="relu", classes=1),
    "front": lambda: build(2015, 49, 257, "same", merge="relu"),
    "frontbyte": lambda: build(2030, 50, 256, "valid", dense="relu"),
    "relugate": lambda: build(2000, 50, 257, "same", gate="relu"),
}
# What the converter is told of models that take no plain bytes padded at the end.
TOLD = {
    "front": {"bytes": "plus-one", "padding": "front"},
    "frontbyte": {"padding": "front", "pad": 3},
    "relugate": {"bytes": "plus-one"},
}


def export(model, path):
    """Writes a SavedModel as Keras's own export does, which the converter has not seen."""
    outputs, maxlen = features(model), model.input_shape[1]

    def serve(bytes, length):
        symbols = tf.where(tf.sequence_mask(length, maxlen), tf.cast(bytes, tf.int32), 0)
        return dict(zip(OUTPUTS, outputs(symbols)))

    archive = keras.export.ExportArchive()
    archive.track(outputs)
    inputs = tf.TensorSpec((None, maxlen), tf.uint8, "bytes"), tf.TensorSpec((None,), tf.int32, "length")
    archive.add_endpoint("serving_default", serve, inputs)
    archive.write_out(path, verbose=False)


def features(model):
    """Returns the model from symbols to its outputs."""
    return keras.Model(model.inputs, [model.get_layer(name).output for name in OUTPUTS])


def block(rng):
    """Returns bytes in which windows repeat: noise, zeros, text and a short cycle."""
    parts = [rng.integers(0, 256, 1000), np.zeros(700), rng.integers(97, 123, 900), np.tile(rng.integers(0, 256, 25), 16)]
    return np.concatenate(parts).astype(np.uint8)


def spans(rng, size):
    """Returns [from, to) of 32 files: the lengths that matter, over-long ones too, then any."""
    lengths = [0, 1, 24, 25, 49, 50, 51, 1999, 2000, 2001, 2014, 2015, 2030, 2031, 2047, 2048, size]
    lengths += rng.integers(0, size, 32 - len(lengths)).tolist()
    starts = [int(rng.integers(0, size - length + 1)) // 50 * 50 for length in lengths]
    return [[start, start + length] for start, length in zip(starts, lengths)]


def predict(model, files, bytes="plain", padding="back", pad=None):
    """Returns the outputs of Keras as lists of rows."""
    maxlen, vocabulary = model.input_shape[1], model.layers[1].input_dim
    shift = 1 if bytes == "plus-one" else 0
    pad = (256 if vocabulary == 257 and not shift else 0) if pad is None else pad
    cut = [file[:maxlen].astype(np.int32) + shift for file in files]
    where = {"padding": "pre" if padding == "front" else "post", "truncating": "post", "value": pad}
    symbols = keras.utils.pad_sequences(cut, maxlen, **where)
    return {name: rows.tolist() for name, rows in zip(OUTPUTS, features(model).predict(symbols, verbose=0))}


def main():
    tf.config.set_visible_devices([], "GPU")  # which rounds products to TF32
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    data = block(rng)
    files = spans(rng, len(data))
    golden = {"keras": keras.__version__, "tensorflow": tf.__version__, "block": base64.b64encode(data.tobytes()).decode(), "files": files, "models": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in MODELS.items():
            model = make()
            source = Path(scratch, f"{name}.keras")
            model.save(source)
            if name == "default":
                Path(f"{source}.trained_on.sha256").write_text(f"{0:064x}\n{1:064x}\n")
            told = TOLD.get(name, {})
            convert(source, OUT / name, **told)
            if name == "default":
                export(model, OUT / "exported")
            golden["models"][name] = predict(model, [data[start:end] for start, end in files], **told)
    golden["models"]["exported"] = golden["models"]["default"]
    (OUT / "keras.json").write_text(json.dumps(golden, separators=(",", ":")).replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
