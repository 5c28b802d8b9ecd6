"""What the converter refuses, the sentence it says, and what it leaves behind: nothing."""

import dataclasses
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from keras import layers

import convert_savedmodel
import malconv_graph
import old_keras
from convert_savedmodel import ConversionError, convert
from malconv_graph import NotMalConv


def build(maxlen=100, **parts):
    """A small MalConv; parts replace its usual ones by name."""
    usual = {
        "embedding": layers.Embedding(256, 3),
        "conv": layers.Conv1D(4, 10, strides=10),
        "gate": layers.Conv1D(4, 10, strides=10, activation="sigmoid"),
        "merge": layers.Multiply(name="merge"),
        "pool": layers.GlobalMaxPooling1D(),
        "dense": layers.Dense(5),
        "top": layers.Dense(2, activation="softmax"),
    }
    part = usual | parts
    inputs = keras.Input((maxlen,))
    embedded = part["embedding"](inputs)
    merged = part["merge"]([part["conv"](embedded), part["gate"](embedded)])
    return keras.Model(inputs, part["top"](part["dense"](part["pool"](merged))))


def after(*chain):
    """One part made of several layers."""

    def call(x):
        for layer in chain:
            x = layer(x)
        return x

    return call


def more_than_one(what):
    one, two = keras.Input((100,)), keras.Input((100,))
    left, right = layers.Embedding(256, 3)(one), layers.Embedding(256, 3)(two if what == "input" else one)
    conv, gate = layers.Conv1D(4, 10, strides=10)(left), layers.Conv1D(4, 10, strides=10, activation="sigmoid")(right)
    hidden = layers.Dense(5)(layers.GlobalMaxPooling1D()(layers.Multiply()([conv, gate])))
    top = layers.Dense(2, activation="softmax")(hidden)
    return keras.Model([one, two] if what == "input" else one, [top, hidden] if what == "output" else top)


def self_gated():
    inputs = keras.Input((100,))
    conv = layers.Conv1D(4, 10, strides=10, name="c")(layers.Embedding(256, 3)(inputs))
    pooled = layers.GlobalMaxPooling1D()(layers.Multiply()([conv, layers.Activation("sigmoid")(conv)]))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Dense(5)(pooled)))


def three_factors(pair):
    return layers.Multiply(name="m")([*pair, pair[0]])


@keras.saving.register_keras_serializable("test")
def bent(x):
    return x + x**2


@keras.saving.register_keras_serializable("test")
class Subclassed(keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def subclassed():
    model = Subclassed()
    model(tf.zeros([1, 4]))
    return model


MODELS = {
    "pooling": (lambda: build(pool=layers.GlobalAveragePooling1D(name="mean")), "layer 'mean' is GlobalAveragePooling1D, which no MalConv has; expected only .*GlobalMaxPooling1D"),
    "sum": (lambda: build(merge=layers.Add(name="sum")), "layer 'sum' is Add, which no MalConv has"),
    "Lambda": (lambda: build(merge=layers.Lambda(lambda x: x[0] * x[1], name="mul")), r"layer 'mul' is Lambda, which no MalConv has \(write the product with the gate as keras.layers.Multiply\)"),
    "normalisation": (lambda: build(pool=after(layers.GlobalMaxPooling1D(), layers.BatchNormalization(name="bn"))), "layer 'bn' is BatchNormalization, which no MalConv has"),
    "three factors": (lambda: build(merge=three_factors), "layer 'm' multiplies 3 tensors; expected two, a convolution and its gate"),
    "stride": (lambda: build(conv=layers.Conv1D(4, 10, strides=9, name="c"), gate=layers.Conv1D(4, 10, strides=9, activation="sigmoid")), "layer 'c' has kernel 10 and stride 9; expected a stride equal to the kernel"),
    "padding": (lambda: build(conv=layers.Conv1D(4, 10, strides=10, padding="same", name="c")), "padding of 'c' and '.*' are same and valid; expected equal ones"),
    "causal": (lambda: build(conv=layers.Conv1D(4, 10, strides=10, padding="causal", name="c")), "layer 'c' is causal, dilated, grouped or channels_first; expected a plain Conv1D"),
    "no gate": (lambda: build(gate=layers.Conv1D(4, 10, strides=10)), "the factors of the product have activations linear and linear; expected sigmoid or relu on one of them, the gate"),
    "hard gate": (lambda: build(gate=layers.Conv1D(4, 10, strides=10, activation="hard_sigmoid")), "have activations hard_sigmoid and linear|linear and hard_sigmoid; expected sigmoid or relu on one of them, the gate"),
    "self-gated": (self_gated, "layer 'c' is both factors of the product; expected two convolutions"),
    "vocabulary": (lambda: build(embedding=layers.Embedding(300, 3, name="e")), "the vocabulary of layer 'e' is 300; expected 256, or 257 with"),
    "two embeddings": (lambda: more_than_one("embedding"), "the convolutions read '.*' and '.*'; expected one Embedding for both"),
    "two inputs": (lambda: more_than_one("input"), "the model has 2 inputs; expected one input, the bytes"),
    "two outputs": (lambda: more_than_one("output"), "the model has 2 outputs; expected one input, the bytes, and one output"),
    "two sigmoid units": (lambda: build(top=layers.Dense(2, activation="sigmoid")), "the output layer has units=2 and activation sigmoid; expected one unit with sigmoid, or several with softmax"),
    "linear output": (lambda: build(top=layers.Dense(1)), "the output layer has units=1 and activation linear; expected one unit with sigmoid"),
    "softmax of one unit": (lambda: build(top=layers.Dense(1, activation="softmax")), "the output layer has units=1 and activation softmax"),
    "three dense layers": (lambda: build(dense=after(layers.Dense(5, name="d"), layers.Dense(4))), "layer 'd' is Dense; expected GlobalMaxPooling1D under the dense layers"),
    "one dense layer": (lambda: build(dense=layers.Dropout(0.1)), "is GlobalMaxPooling1D; expected Dense under the output layer"),
    "half precision": (lambda: build(dense=layers.Dense(5, name="d", dtype="float16")), "layer 'd' computes in float16; expected float32"),
    "two activations": (lambda: build(merge=after(layers.Multiply(), layers.Activation("tanh", name="t"), layers.ReLU())), "layer 't' applies tanh and a later one relu; expected one activation"),
    "clipped ReLU": (lambda: build(merge=after(layers.Multiply(), layers.ReLU(6.0, name="r"))), "layer 'r' is a clipped, leaky or shifted ReLU; expected a plain one"),
    "activation after the pooling": (lambda: build(pool=after(layers.GlobalMaxPooling1D(), layers.ReLU())), "the pooled features go through relu; expected an activation before the pooling"),
    "activation of the embedding": (lambda: build(embedding=after(layers.Embedding(256, 3), layers.Activation("tanh"))), "the embedding goes through tanh; expected no activation there"),
    "activation of a user's own": (lambda: build(dense=layers.Dense(5, activation=bent, name="d")), "layer 'd' has an activation of its own; expected one that Keras has"),
    "length that is not fixed": (lambda: build(maxlen=None), r"the input shape is \(None,\); expected a fixed number of bytes"),
    "perceptron": (lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2, activation="softmax")]), "is InputLayer; expected GlobalMaxPooling1D under the dense layers"),
    "subclassed": (subclassed, "the model is Subclassed; expected a functional or sequential model"),
}  # fmt: skip


def assert_refused(error, sentence, source, out, **settings):
    """Converts and expects one sentence, and nothing new beside the source."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(error, match=sentence) as refusal:
        convert(source, out, **settings)
    assert "\n" not in str(refusal.value)
    assert sorted(out.parent.rglob("*")) == before


@pytest.mark.parametrize("model", MODELS)
def test_models(model, tmp_path):
    make, sentence = MODELS[model]
    make().save(tmp_path / "model.keras")
    assert_refused(NotMalConv, sentence, tmp_path / "model.keras", tmp_path / "out")


@pytest.mark.parametrize("format", ["keras", "h5"])
def test_lambda_is_never_run(format, tmp_path):
    build(merge=layers.Lambda(lambda x: x[0] * x[1])).save(tmp_path / f"model.{format}")
    assert_refused(NotMalConv, "is Lambda", tmp_path / f"model.{format}", tmp_path / "out")


def test_operator_of_old_keras(tmp_path):
    def edit(layer):
        if layer["class_name"] == "Multiply":
            layer["class_name"] = "TFOpLambda"

    old_keras.save(build(), tmp_path / "model.h5", edit)
    sentence = r"layer 'merge' is TFOpLambda, which no MalConv has \(write the product with the gate as keras.layers.Multiply\)"
    assert_refused(NotMalConv, sentence, tmp_path / "model.h5", tmp_path / "out")


def test_activation_that_keras_does_not_have(tmp_path):
    def edit(layer):
        if layer["class_name"] == "Dense":
            layer["config"]["activation"] = "bent"

    old_keras.save(build(), tmp_path / "model.h5", edit)
    assert_refused(NotMalConv, "Keras .* does not load it .*bent.*; expected layers and activations of Keras's own", tmp_path / "model.h5", tmp_path / "out")


def test_files_that_hold_no_model(tmp_path):
    build().save_weights(tmp_path / "model.weights.h5")
    assert_refused(NotMalConv, "the file holds weights alone; expected a whole model", tmp_path / "model.weights.h5", tmp_path / "out")
    for name in "text.h5", "text.keras":
        (tmp_path / name).write_text("no model")
        assert_refused(NotMalConv, "the content is neither HDF5, nor a .keras archive, nor PyTorch weights; expected a MalConv", tmp_path / name, tmp_path / "out")
    build().save(tmp_path / "cut.keras")
    (tmp_path / "cut.keras").write_bytes((tmp_path / "cut.keras").read_bytes()[:-1000])
    assert_refused(NotMalConv, "the content is neither", tmp_path / "cut.keras", tmp_path / "out")
    for config in "[]", '{"class_name": "Functional"}', '{"class_name": "Functional", "config": {"layers": [3]}}':
        with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
            archive.writestr("config.json", config)
        assert_refused(NotMalConv, "the file cannot be read as a Keras model", tmp_path / "other.keras", tmp_path / "out")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert_refused(NotMalConv, "the file cannot be read as a Keras model", tmp_path / "cut.h5", tmp_path / "out")
    assert_refused(ConversionError, "absent.h5 is no file; expected a MalConv", tmp_path / "absent.h5", tmp_path / "out")


@pytest.fixture
def model(tmp_path):
    build().save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_output_that_is_no_savedmodel(model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("keep me")
    assert_refused(ConversionError, "out exists and is no SavedModel; expected a new name", model, out)
    assert_refused(ConversionError, "model.keras exists and is no SavedModel", model, model)
    assert (out / "notes.txt").read_text() == "keep me"


def test_pad_symbol_outside_of_the_vocabulary(model, tmp_path):
    for pad in -1, 256:
        assert_refused(NotMalConv, f"the pad symbol is {pad}; expected a symbol of the vocabulary, 0 to 255", model, tmp_path / "out", pad=pad)


def test_training_list_that_is_no_list_of_digests(model, tmp_path):
    (tmp_path / "list").write_text("")
    assert_refused(ConversionError, "list is empty; expected one SHA-256 digest", model, tmp_path / "out", trained_on=tmp_path / "list")
    (tmp_path / "list").write_text("ab" * 32 + "\nnot a digest\n")
    assert_refused(ConversionError, "list holds 'not'; expected one SHA-256 digest", model, tmp_path / "out", trained_on=tmp_path / "list")


@pytest.mark.parametrize("weight", ["embedding", "conv_kernel", "conv_bias", "dense_kernel", "dense_bias", "logits_kernel", "logits_bias"])
def test_difference_to_keras_leaves_what_was_there(weight, model, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/saved_model.pb").write_text("an earlier one")
    true = malconv_graph.read(model)
    wrong = dataclasses.replace(true, **{weight: getattr(true, weight) + 0.001})
    monkeypatch.setattr(malconv_graph, "read", lambda *_, **__: wrong)
    assert_refused(ConversionError, "the SavedModel differs from Keras by .* expected at most 1e-05", model, tmp_path / "out")
    assert (tmp_path / "out/saved_model.pb").read_text() == "an earlier one"


def test_training_list_comes_along(model, tmp_path):
    kept = tmp_path / "out/assets.extra/trained_on.sha256"
    convert(model, tmp_path / "out")
    assert not kept.exists()
    (tmp_path / "model.keras.trained_on.sha256").write_text(f"{'b' * 64}\n{'a' * 64}\n{'b' * 64}\n")
    convert(model, tmp_path / "out")  # replaces the first
    assert kept.read_text() == f"{'a' * 64}\n{'b' * 64}\n"
    (tmp_path / "list").write_text("c" * 64)
    convert(model, tmp_path / "out", trained_on=tmp_path / "list")
    assert kept.read_text() == f"{'c' * 64}\n"


def test_command(model, tmp_path, command):
    script = Path(convert_savedmodel.__file__)
    done = subprocess.run([sys.executable, script, model, tmp_path / "deep/out", "--pad", "3"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for word in "serving_default", "windows", "weights", "layer7", "layer8", "logits", "probs":
        assert word in done.stdout
    assert json.loads((tmp_path / "deep/out/assets.extra/malconv.json").read_text())["pad"] == 3

    build(gate=layers.Conv1D(4, 10, strides=10)).save(model)
    refused = command(convert_savedmodel, model, tmp_path / "other")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"convert_savedmodel: {model} is no MalConv: the factors of the product")
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "other").exists()
