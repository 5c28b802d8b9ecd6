"""Every member of the MalConv family, converted and held against Keras itself.

Models are small and have random weights; what the converter says about its own
work is not taken for granted: expected values come from Keras, and windows are
cut and described here by the letter of the signature's contract.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import malconv
import old_keras
from convert_savedmodel import convert


def build(
    maxlen=1000, vocabulary=256, window=50, padding="same", bias=True,
    gate="sigmoid", gate_is_built_first=False, gate_is_left_factor=False, gate_layer=True,
    conv_activation=None, conv_layer=None, merge_layer="relu", product="layer", dropout=0.0,
    hidden=6, dense_activation=None, dense_layer=None, classes=4, probs="softmax", probs_layer=None,
):  # fmt: skip
    """A MalConv of the family; the defaults are the design of this project made small."""

    def maybe(layer, x):
        return x if layer is None else layers.Activation(layer)(x) if isinstance(layer, str) else layer(x)

    def conv(activation):
        return layers.Conv1D(8, window, strides=window, padding=padding, activation=activation, use_bias=bias, bias_initializer="normal")

    drop = layers.Dropout(dropout) if dropout else lambda x: x
    inputs = keras.Input((maxlen,))
    embedded = layers.Embedding(vocabulary, 3, embeddings_initializer="normal")(inputs)
    if dropout:
        embedded = layers.SpatialDropout1D(dropout)(embedded)

    linear, gating = conv(conv_activation), conv(None if gate_layer else gate)
    if gate_is_built_first:
        gated, linear = gating(embedded), linear(embedded)
    else:
        linear, gated = linear(embedded), gating(embedded)
    linear, gated = maybe(conv_layer, linear), maybe(gate if gate_layer else None, gated)
    factors = [gated, linear] if gate_is_left_factor else [linear, gated]
    merged = layers.Multiply()(factors) if product == "layer" else factors[0] * factors[1]

    layer7 = layers.GlobalMaxPooling1D(name="layer7")(maybe(merge_layer, merged))
    layer8 = layers.Dense(hidden, activation=dense_activation, bias_initializer="normal")(drop(layer7))
    layer8 = maybe(dense_layer, layer8)
    top = layers.Dense(classes, activation=None if probs_layer else probs, name="logits", bias_initializer="normal")
    return keras.Model(inputs, maybe(probs_layer, top(drop(layer8))))


def ember(maxlen):
    return build(maxlen, 257, padding="valid", conv_activation="relu", gate_layer=False, merge_layer=None, hidden=16, dense_activation="relu", classes=1, probs="sigmoid")


FAMILY = {
    "the model of this project, full size": lambda: malconv.build(4),
    "gate built first": lambda: build(gate_is_built_first=True),
    "gate as the left factor": lambda: build(gate_is_left_factor=True),
    "gate first in both": lambda: build(gate_is_built_first=True, gate_is_left_factor=True),
    "gate inside its convolution": lambda: build(gate_layer=False),
    "product as an operator": lambda: build(product="operator"),
    "length not a multiple of the window, same": lambda: build(maxlen=1023),
    "length not a multiple of the window, odd void": lambda: build(maxlen=1010, window=49),
    "length not a multiple of the window, valid": lambda: build(maxlen=1049, padding="valid"),
    "shorter than its window": lambda: build(maxlen=30),
    "vocabulary 257": lambda: build(maxlen=1023, vocabulary=257),
    "EMBER": lambda: ember(1048),
    "linear merge": lambda: build(merge_layer=None),
    "tanh merge": lambda: build(merge_layer="tanh"),
    "convolution with relu": lambda: build(conv_activation="relu", merge_layer=None),
    "convolution under a ReLU layer": lambda: build(conv_layer=layers.ReLU()),
    "two sigmoids": lambda: build(conv_activation="sigmoid"),
    "gate by ReLU": lambda: build(gate="relu", merge_layer=None),
    "gate by ReLU inside its convolution, built first": lambda: build(gate="relu", gate_layer=False, gate_is_built_first=True, merge_layer=None),
    "no biases": lambda: build(bias=False),
    "wide dense with selu": lambda: build(hidden=200, dense_activation="selu"),
    "dense under an Activation layer": lambda: build(dense_layer="relu"),
    "dropout everywhere": lambda: build(dropout=0.5),
    "softmax as an Activation layer": lambda: build(probs_layer="softmax"),
    "softmax as a Softmax layer": lambda: build(probs_layer=layers.Softmax()),
    "one sigmoid unit": lambda: build(classes=1, probs="sigmoid"),
    "sigmoid as an Activation layer": lambda: build(classes=1, probs_layer="sigmoid"),
    "two classes": lambda: build(classes=2),
}


def save(model, path, format):
    path = path / f"model{'.keras' if format == 'keras' else '.h5'}"
    old_keras.save(model, path) if format == "old h5" else model.save(path)
    return path


def random_files(maxlen):
    rng = np.random.default_rng(7)
    length = np.array([0, 1, maxlen // 3, maxlen - 1, maxlen, maxlen + 5], np.int32)
    return rng.integers(0, 256, (len(length), maxlen), np.uint8), length


def keras_outputs(model, data, length, pad):
    """What Keras makes of each file, from its layers by the shape that they must have."""
    symbols = np.where(np.arange(data.shape[1]) < length[:, None], data.astype(np.int32), pad)
    top = next(layer for layer in reversed(model.layers) if isinstance(layer, layers.Dense))
    features = keras.Model(model.inputs, [model.get_layer("layer7").output, top.input, model.outputs[0]])
    layer7, layer8, probs = (rows.numpy() for rows in features([symbols]))
    kernel, bias = top.get_weights()
    return {"layer7": layer7, "layer8": layer8, "logits": layer8.astype(np.float64) @ kernel + bias, "probs": probs}


def cut_windows(data, length, window, lead, windows, pad_garbage):
    """The windows of each file, position by position, every one of them even where two are equal."""
    maxlen = data.shape[1]
    rows, index, segment = [], [], []
    for file, content in enumerate(data):
        size = min(int(length[file]), maxlen)
        for w in range(windows):
            positions = [w * window - lead + p for p in range(window)]
            first = sum(p < 0 for p in positions)
            past = sum(p < maxlen for p in positions)
            inside = sum(0 <= p < size for p in positions)
            content_of = [content[p] if 0 <= p < size else pad_garbage for p in positions]
            index.append(len(rows))
            segment.append(file)
            rows.append((content_of, first, inside, past))
    contents, first, inside, past = zip(*rows)
    arrays = {"lead": first, "length": inside, "end": past, "index": index, "segment": segment, "files": len(data)}
    return {"windows": tf.constant(contents, tf.uint8)} | {name: tf.constant(value, tf.int32) for name, value in arrays.items()}


def assert_equal(outputs, expected):
    assert set(outputs) == set(expected)
    for name, want in expected.items():
        assert outputs[name].shape == want.shape
        assert outputs[name].dtype == tf.float32
        assert np.abs(outputs[name] - want).max() <= 1e-5 * np.abs(want).max(), name


@pytest.mark.parametrize("format", ["h5", "old h5"])
@pytest.mark.parametrize("member", ["gate first in both", "EMBER", "length not a multiple of the window, same", "one sigmoid unit"])
def test_formats(member, format, tmp_path):
    check(FAMILY[member](), format, tmp_path)


@pytest.mark.parametrize("member", FAMILY)
def test_family(member, tmp_path):
    check(FAMILY[member](), "keras", tmp_path)


def check(model, format, tmp_path):
    """Converts model and holds all three signatures against Keras."""
    found, differences = convert(save(model, tmp_path, format), tmp_path / "out")
    assert all(value <= 1e-5 for row in differences.values() for value in row.values())
    described = json.loads((tmp_path / "out/assets.extra/malconv.json").read_text())

    (embedding,) = [layer for layer in model.layers if isinstance(layer, layers.Embedding)]
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv1D)]
    window, windows = convolutions[0].kernel_size[0], convolutions[0].output.shape[1]
    assert (described["vocabulary"], described["embedding"]) == embedding.get_weights()[0].shape
    assert (described["window"], described["windows"], described["filters"]) == (window, windows, convolutions[0].filters)
    maxlen, pad = described["maxlen"], described["pad"]
    assert (maxlen, pad) == (model.inputs[0].shape[1], 256 if embedding.input_dim == 257 else 0)

    data, length = random_files(maxlen)
    expected = keras_outputs(model, data, length, pad)
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    assert_equal(signatures["serving_default"](bytes=tf.constant(data), length=tf.constant(length)), expected)
    cut = cut_windows(data, length, window, described["lead"], windows, pad_garbage=99)
    assert_equal(signatures["windows"](**cut), expected)
    assert described["layers"] == {name: expected[name].shape[1] for name in ("layer7", "layer8", "logits")}

    weights = {name: value.numpy() for name, value in signatures["weights"]().items()}
    np.testing.assert_array_equal(weights["embedding"], embedding.get_weights()[0])
    for half in np.split(weights["conv_kernel"], 2, axis=-1):
        assert any(np.array_equal(half, layer.get_weights()[0]) for layer in convolutions)
    assert_equal({k: tf.constant(v, tf.float32) for k, v in by_weights(described, weights, data, length).items()}, expected)


def by_weights(described, weights, data, length):
    """The model computed in float64 from its weights and malconv.json alone, as an engine of another kind would."""
    act = {
        "linear": lambda x: x,
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
        "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    }
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    maxlen, window, windows, lead, filters = (described[key] for key in ("maxlen", "window", "windows", "lead", "filters"))
    layer7 = np.full((len(data), filters), -np.inf)
    for file, content in enumerate(data):
        for w in range(windows):
            product = weights["conv_bias"].copy()
            position = np.arange(w * window - lead, (w + 1) * window - lead)
            inside = (position >= 0) & (position < maxlen)
            symbols = np.where(position[inside] < length[file], content[position[inside]].astype(int), described["pad"])
            product += np.einsum("pe,pef->f", weights["embedding"][symbols], weights["conv_kernel"][inside])
            gated = act[described["conv_activation"]](product[:filters]) * act[described["gate_activation"]](product[filters:])
            layer7[file] = np.maximum(layer7[file], act[described["merge_activation"]](gated))
    layer8 = act[described["dense_activation"]](layer7 @ weights["dense_kernel"] + weights["dense_bias"])
    logits = layer8 @ weights["logits_kernel"] + weights["logits_bias"]
    return {"layer7": layer7, "layer8": layer8, "logits": logits, "probs": act[described["probs"]](logits)}


def test_old_file_with_policies(tmp_path):
    def edit(layer):
        layer["config"]["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}

    old_keras.save(build(), tmp_path / "model.h5", edit)
    convert(tmp_path / "model.h5", tmp_path / "out")


def test_dropout_layer_that_is_used_twice(tmp_path):
    drop = layers.Dropout(0.5)
    inputs = keras.Input((100,))
    embedded = layers.Embedding(256, 3)(inputs)
    conv, gate = (layers.Conv1D(4, 10, strides=10, activation=act)(embedded) for act in (None, "sigmoid"))
    hidden = layers.Dense(5)(drop(layers.GlobalMaxPooling1D()(layers.Multiply()([conv, gate]))))
    save(keras.Model(inputs, layers.Dense(2, activation="softmax")(drop(hidden))), tmp_path, "keras")
    convert(tmp_path / "model.keras", tmp_path / "out")


def test_pad_symbol_is_a_choice(tmp_path):
    model = build(vocabulary=257)
    convert(save(model, tmp_path, "keras"), tmp_path / "out", pad=7)
    data, length = random_files(1000)
    got = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"](bytes=tf.constant(data), length=tf.constant(length))
    assert_equal(got, keras_outputs(model, data, length, pad=7))
