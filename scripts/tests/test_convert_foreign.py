"""MalConvs as people hold them: saved by other tools, under any name, wrapped, and trained on other symbols than bytes.

testdata holds files that PyTorch and Keras 2 wrote and, in golden.json, what
they compute; golden/foreign.py makes it.
"""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from golden import foreign
import malconv_graph
import old_keras
import torch_file
from convert_savedmodel import convert, reference
from malconv_graph import NotMalConv
from test_convert import build, keras_outputs, random_files, save
from test_convert_refusals import assert_refused

DATA = Path(__file__).parent / "testdata"
GOLDEN = json.loads((DATA / "golden.json").read_text())


def serve(out, files, maxlen):
    """The outputs of a converted model for files."""
    data = np.zeros((len(files), maxlen), np.uint8)
    for row, file in zip(data, files):
        row[: len(file)] = file[:maxlen]
    length = np.array([min(len(file), maxlen) for file in files], np.int32)
    return tf.saved_model.load(str(out)).signatures["serving_default"](bytes=tf.constant(data), length=tf.constant(length))


def assert_close(outputs, expected):
    for name, rows in expected.items():
        assert outputs[name].shape == np.shape(rows)
        assert np.abs(outputs[name] - np.array(rows)).max() <= 1e-5 * np.abs(rows).max(), name


@pytest.mark.parametrize(
    ("file", "golden"),
    [("secml.pth", "secml.pth"), ("malconv2.checkpoint", "malconv2.checkpoint"), ("keras2", "keras2"), ("multi_gpu.h5", "keras2"), ("nested.h5", "keras2")],
)
def test_outputs_are_those_of_the_tool_that_saved_the_model(file, golden, tmp_path):
    convert(DATA / file, tmp_path / "out", maxlen=foreign.MAXLEN)
    assert_close(serve(tmp_path / "out", foreign.samples(), foreign.MAXLEN), GOLDEN[golden])


@pytest.mark.parametrize(("file", "same"), [("secml_legacy.pth", "secml.pth"), ("parallel.pth", "malconv2.checkpoint")])
def test_layouts_of_pytorch_hold_the_same_weights(file, same):
    one, other = (malconv_graph.read(DATA / name, maxlen=foreign.MAXLEN) for name in (file, same))
    for weight in "embedding", "conv_kernel", "conv_bias", "dense_kernel", "dense_bias", "logits_kernel", "logits_bias":
        np.testing.assert_array_equal(getattr(one, weight), getattr(other, weight))
    assert (one.pad, one.conv_activation, one.dense_activation) == (other.pad, other.conv_activation, other.dense_activation)


def test_weights_that_do_not_say_their_stride_are_noted():
    assert malconv_graph.read(DATA / "malconv2.checkpoint", maxlen=2000).notes == ()
    assert malconv_graph.read(DATA / "parallel.pth", maxlen=2000).notes == ("the file does not say the stride of the convolutions: it is taken to be their kernel, 50",)


def test_secml_malware_reads_a_mebibyte_unless_told():
    assert malconv_graph.read(DATA / "secml.pth").maxlen == 2**20


def test_content_counts_and_no_suffix(tmp_path):
    model = build()
    model.save(tmp_path / "a.keras")
    old_keras.save(model, tmp_path / "a.h5")
    disguised = {"b.h5": tmp_path / "a.keras", "b": tmp_path / "a.h5", "b.keras": DATA / "secml.pth", "b.bin": DATA / "secml_legacy.pth"}
    for name, source in disguised.items():
        found = malconv_graph.read(shutil.copy(source, tmp_path / name))
        assert found.maxlen == (1000 if source.parent == tmp_path else 2**20)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("gct.checkpoint", r"the weights are those of MalConvGCT, which has the parameters context_net\.\*; expected a plain MalConv"),
        ("strided.checkpoint", "the convolutions have kernel 50 and stride 10; expected a stride equal to the kernel"),
        ("double.pth", "the parameter embedding_1.weight is float64; expected float32"),
        ("module.pth", "the file asks for torch.nn.modules.linear.Linear, which is more than tensors; expected weights alone"),
        ("torchscript.pth", "the file is a TorchScript program; expected weights alone"),
        ("malconv2.checkpoint", "the weights do not say how many bytes of a file they read; expected --maxlen N"),
    ],
)
def test_refused_files_of_pytorch(file, sentence, tmp_path):
    assert_refused(NotMalConv, sentence, DATA / file, tmp_path / "out")


class Program:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def pickled(content, legacy, path):
    if legacy:
        headers = torch_file.MAGIC, 1001, {"little_endian": True}
        path.write_bytes(b"".join(pickle.dumps(each, 2) for each in (*headers, content, [])))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(content, 2))
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_no_program_in_a_pickle_runs(legacy, tmp_path):
    path = pickled({"w": Program(tmp_path / "mark")}, legacy, tmp_path / "bad.pth")
    assert_refused(NotMalConv, r"the file asks for posix\.mkdir, which is more than tensors", path, tmp_path / "out")
    path = pickled({"w": 3}, legacy, tmp_path / "plain.pth")
    assert_refused(NotMalConv, "the file holds no state dict", path, tmp_path / "out")
    path = pickled([1], legacy, tmp_path / "list.pth")
    assert_refused(NotMalConv, "the file holds list; expected a state dict", path, tmp_path / "out")
    path = pickled({"w": 3}, legacy, tmp_path / "other.pth")
    path.write_bytes(path.read_bytes().replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2)))
    if legacy:
        assert_refused(NotMalConv, "the file is a pickle that PyTorch did not write", path, tmp_path / "out")


@pytest.mark.parametrize("file", ["secml.pth", "secml_legacy.pth"])
def test_damaged_files_of_pytorch_are_refused(file, tmp_path):
    """Cut anywhere, or with any byte of the pickle changed, a file gives tensors or one sentence."""
    whole = (DATA / file).read_bytes()
    rng = np.random.default_rng(1)
    for at in [*range(0, len(whole), 997), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:at])
        with pytest.raises(torch_file.TorchFileError):
            torch_file.read(tmp_path / "cut")
    refused = 0
    for at in rng.integers(0, 1500, 400):
        (tmp_path / "changed").write_bytes(whole[:at] + bytes(rng.integers(0, 256, 1, np.uint8)) + whole[at + 1 :])
        try:
            torch_file.read(tmp_path / "changed")
        except torch_file.TorchFileError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(("size", "stride", "offset"), [((7,), (1,), 0), ((2, 3), (3, 1), 1), ((2,), (-1,), 3), ((1 << 40,), (0,), 0), ((2, 2), (1,), 0)])
def test_a_tensor_lies_in_its_storage(size, stride, offset):
    storage = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(torch_file._tensor(storage, 1, (2, 2), (1, 2)), [[1, 3], [2, 4]])
    with pytest.raises(torch_file.TorchFileError, match="lies outside of its storage"):
        torch_file._tensor(storage, offset, size, stride)


def test_weights_are_found_by_name_in_whatever_order(tmp_path):
    """Releases of Keras order the two convolutions either way, and their weights have the same shape."""
    model = build(gate_layer=False)
    old_keras.save(model, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        names = list(file["model_weights"].attrs["layer_names"])
        first, second = (i for i, name in enumerate(names) if str(name).startswith("conv"))
        names[first], names[second] = names[second], names[first]
        file["model_weights"].attrs["layer_names"] = names
    linear, gate = (layer for layer in sorted(model.layers, key=lambda layer: layer.name) if isinstance(layer, layers.Conv1D))
    if keras.activations.serialize(linear.activation) == "sigmoid":
        linear, gate = gate, linear
    found = malconv_graph.read(tmp_path / "model.h5")
    np.testing.assert_array_equal(found.conv_kernel, np.concatenate([linear.get_weights()[0], gate.get_weights()[0]], axis=-1))


@pytest.mark.parametrize("arguments", [{}, {"i": 1, "parts": 3}, {"i": 1, "shift": 1}])
def test_a_lambda_that_does_more_than_slice_is_refused(arguments, tmp_path):
    shutil.copy(DATA / "multi_gpu.h5", tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (last,) = [layer for layer in config["config"]["layers"] if layer["config"].get("arguments") == {"i": 1, "parts": 2}]
        last["config"]["arguments"] = arguments
        file.attrs["model_config"] = json.dumps(config)
    assert_refused(NotMalConv, "is Lambda, which no MalConv has", tmp_path / "model.h5", tmp_path / "out")


def test_folders_that_keras_2_did_not_write(tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(NotMalConv, "the folder holds no keras_metadata.pb; expected a SavedModel that Keras 2 wrote", tmp_path / "empty", tmp_path / "out")
    shutil.copytree(DATA / "keras2", tmp_path / "keras2")
    (tmp_path / "keras2/keras_metadata.pb").write_bytes(b"no message")
    assert_refused(NotMalConv, "the file cannot be read as a Keras model", tmp_path / "keras2", tmp_path / "out")
    (tmp_path / "empty/assets.extra").mkdir()
    (tmp_path / "empty/assets.extra/malconv.json").write_text("{}")
    assert_refused(NotMalConv, "the folder is a converted model already", tmp_path / "empty", tmp_path / "out")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"vocabulary": 257, "maxlen": 1023}, {"bytes": "plus-one", "padding": "front"}),
        ({"maxlen": 1049, "padding": "valid"}, {"padding": "front", "pad": 9}),
        ({"vocabulary": 257}, {"bytes": "plus-one", "pad": 256}),
    ],
)
def test_preprocessing_that_is_told(model, told, tmp_path):
    """Symbols as Keras's own pad_sequences makes them; what it calls pre and post is front and back."""
    net = build(**model)
    convert(save(net, tmp_path, "keras"), tmp_path / "out", **told)
    maxlen = net.inputs[0].shape[1]
    data, length = random_files(maxlen)
    files = [content[:size] for content, size in zip(data, length)]
    shift = told.get("bytes") == "plus-one"
    where = {"padding": "pre" if told.get("padding") == "front" else "post", "truncating": "post", "value": told.get("pad", 0)}
    symbols = keras.utils.pad_sequences([file.astype(np.int32) + shift for file in files], maxlen, **where)
    got = serve(tmp_path / "out", files, maxlen)
    assert_close(got, keras_outputs(net, symbols, np.full(len(files), maxlen), 0))


@pytest.mark.parametrize(
    ("model", "told", "sentence"),
    [
        ({}, {"bytes": "plus-one"}, "bytes are to be taken plus one, 1 to 256, and the vocabulary of layer '.*' is 256; expected 257"),
        ({}, {"maxlen": 999}, "the model reads 1000 bytes and --maxlen is 999; expected no --maxlen"),
    ],
)
def test_options_that_do_not_fit_the_model(model, told, sentence, tmp_path):
    assert_refused(NotMalConv, sentence, save(build(**model), tmp_path, "keras"), tmp_path / "out", **told)


def test_a_length_is_given_to_a_model_that_has_none(tmp_path):
    found = malconv_graph.read(save(build(maxlen=None), tmp_path, "keras"), maxlen=1023)
    assert (found.maxlen, found.windows, found.lead) == (1023, 21, 13)


def test_probabilities_near_0(tmp_path):
    """The public EMBER MalConv as Keras 2.2 saved it, with a shorter input: probabilities of about 0.001, of logits that are sums of large terms."""
    keras.utils.set_random_seed(2)
    uniform = keras.initializers.RandomUniform
    inputs = keras.Input((2**14,), name="input_1")
    embedded = layers.Embedding(257, 8, name="embedding_1", embeddings_initializer=uniform(-1, 1))(inputs)
    conv = layers.Conv1D(128, 500, strides=500, activation="relu", name="conv1d_1", kernel_initializer=uniform(-1, 1))(embedded)
    gate = layers.Conv1D(128, 500, strides=500, activation="sigmoid", name="conv1d_2")(embedded)
    pooled = layers.GlobalMaxPooling1D(name="layer7")(layers.Multiply(name="multiply_1")([conv, gate]))
    hidden = layers.Dense(128, activation="relu", name="dense_1")(pooled)
    top = layers.Dense(1, activation="sigmoid", name="dense_2", kernel_initializer="zeros")
    model = keras.Model(inputs, top(hidden))
    data, length = random_files(2**14)
    # Logits of about -7, the sums of terms of some thousands.
    rows = keras.Model(inputs, hidden)([np.where(np.arange(2**14) < length[:, None], data.astype(np.int32), 256)]).numpy()
    kernel = np.random.default_rng(3).normal(0, 30, (128, 1))
    kernel -= np.linalg.pinv(rows) @ (rows @ kernel + 7.1)
    top.set_weights([kernel, np.full(1, 0.1)])

    old_keras.save(model, tmp_path / "malconv.h5")
    with h5py.File(tmp_path / "malconv.h5", "r+") as file:
        file.attrs["keras_version"] = b"2.2.4"
    found, errors = convert(tmp_path / "malconv.h5", tmp_path / "out")
    assert max(max(row.values()) for row in errors.values()) <= 1e-5
    got = serve(tmp_path / "out", [content[:size] for content, size in zip(data, length)], 2**14)
    expected = keras_outputs(model, data, length, 256)
    assert 1e-4 < expected["probs"].max() < 1e-2
    np.testing.assert_allclose(got["probs"], expected["probs"], rtol=0.05)
    exact, _ = reference(found, data, length)
    assert np.abs(expected["probs"] - exact["probs"]).max() > 1e-5 * exact["probs"].max()  # Keras's own rounding
