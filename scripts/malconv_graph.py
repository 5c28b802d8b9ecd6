"""Finds the parts of a MalConv in the graph of a Keras model.

MalConv is a family; its members differ in length, vocabulary, padding, widths
and activations, and in whether an activation is an argument or a layer:

    Input [n, maxlen] -> Embedding -> Conv1D, Conv1D (kernel = stride)
      -> Multiply (one side through sigmoid: the gate) -> [activation]
      -> GlobalMaxPooling1D -> Dense -> Dense (1 sigmoid or several softmax)

The walk goes from the output back to the input along the edges. The order of
model.layers says nothing: Keras lists the two convolutions either way.
"""

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tensorflow_setup  # noqa: F401  (first)

import h5py
import keras
import numpy as np


class NotMalConv(ValueError):
    """Says in one sentence which part of a model differs from a MalConv, and what was expected."""


@dataclass(frozen=True)
class MalConv:
    """A MalConv's shape and weights. V symbols, E embedding, W window, F filters, H dense, C classes."""

    maxlen: int  # bytes read of a file
    pad: int  # the symbol after the end of a file
    windows: int  # windows of a file, each W positions
    lead: int  # positions of the first window before byte 0 ("same" padding)
    conv_activation: str
    merge_activation: str  # after the product with the gate
    dense_activation: str
    probs: str  # "softmax" or "sigmoid"

    # float32
    embedding: np.ndarray  # [V, E]
    conv_kernel: np.ndarray  # [W, E, 2F], the gate's filters last
    conv_bias: np.ndarray  # [2F]
    dense_kernel: np.ndarray  # [F, H]
    dense_bias: np.ndarray  # [H]
    logits_kernel: np.ndarray  # [H, C]
    logits_bias: np.ndarray  # [C]

    keras: keras.Model  # from symbols [n, maxlen] to layer7, layer8, logits and probs

    @property
    def window(self):
        return self.conv_kernel.shape[0]

    @property
    def vocabulary(self):
        return self.embedding.shape[0]

    @property
    def layers(self):
        """Width of each feature layer."""
        return {"layer7": self.dense_kernel.shape[0], "layer8": self.logits_kernel.shape[0], "logits": self.logits_kernel.shape[1]}


def read(path, pad=None):
    """Reads a whole-model .h5 or .keras file and returns its MalConv."""
    path = Path(path)
    _expect_known_layers(_config(path))
    with tempfile.TemporaryDirectory() as scratch:
        if path.suffix == ".h5":
            path = Path(shutil.copy(path, scratch))
            _modernise(path)
        try:
            model = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises what the code of a layer happens to
            reason = (str(error).strip() or repr(error)).splitlines()[-1]
            raise NotMalConv(f"Keras {keras.__version__} does not load it ({reason}); expected layers and activations of Keras's own") from error
    return recognise(model, pad)


# Layers that are the identity once training is over.
_TRAINING_ONLY = {"Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "ActivityRegularization"}
_ACTIVATIONS = {"Activation", "ReLU", "Softmax"}
_MALCONV = {"InputLayer", "Embedding", "Conv1D", "Multiply", "GlobalMaxPooling1D", "Dense"}


def _config(path):
    """Returns the architecture that a model file states, without building it."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                if "model_config" not in file.attrs:
                    raise NotMalConv("the file holds weights alone; expected a whole model, as model.save writes it")
                return json.loads(file.attrs["model_config"])
    except (OSError, KeyError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise NotMalConv(f"the file cannot be read as a Keras model ({error}); expected what model.save writes") from error
    raise NotMalConv(f"the file name ends in {path.suffix!r}; expected .h5 or .keras")


def _expect_known_layers(config):
    """Refuses, before Keras runs any code of the file, layers that no MalConv has."""
    _expect(config["class_name"] != "Sequential", "the model is Sequential", "a functional model")
    for layer in config["config"].get("layers", []):
        kind = layer["class_name"]
        if kind not in _MALCONV | _ACTIVATIONS | _TRAINING_ONLY:
            name = layer["config"].get("name", layer.get("name"))
            hint = " (write the product with the gate as keras.layers.Multiply)" if "Lambda" in kind else ""
            raise NotMalConv(f"layer {name!r} is {kind}, which no MalConv has{hint}; expected only {', '.join(sorted(_MALCONV))}, activations and dropout")


def _modernise(path):
    """Drops from an .h5 model what only training needs and Keras 3 cannot always read in older files."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"].get("layers", []):
            settings = layer["config"]
            for key in list(settings):
                if key.endswith(("_initializer", "_regularizer", "_constraint")):
                    del settings[key]
            if isinstance(settings.get("dtype"), dict):  # a policy, whose class was renamed over time
                settings["dtype"] = settings["dtype"]["config"]["name"]
        file.attrs["model_config"] = json.dumps(config)


def recognise(model, pad=None):
    """Returns the MalConv that model is, or raises NotMalConv.

    pad is the symbol after the end of a file; None takes 0, or 256 where the
    vocabulary has a symbol beyond the bytes.
    """
    functional = isinstance(model, keras.Model) and hasattr(model, "operations")
    _expect(functional, f"the model is {type(model).__name__}", "a functional model")
    for what, tensors in ("inputs", model.inputs), ("outputs", model.outputs):
        _expect(len(tensors) == 1, f"the model has {len(tensors)} {what}", "one input, the bytes, and one output, the class probabilities")

    top = _step(model.outputs[0], "Dense", "as the output layer")
    dense = _step(top.below, "Dense", "under the output layer")
    pool = _step(dense.below, "GlobalMaxPooling1D", "under the dense layers")
    merge = _step(pool.below, "Multiply", "under the pooling")
    _expect(len(merge.inputs) == 2, f"layer {merge.layer.name!r} multiplies {len(merge.inputs)} tensors", "two, a convolution and its gate")
    conv, gate = (_step(side, "Conv1D", "on both sides of the product") for side in merge.inputs)
    if gate.activation != "sigmoid":
        conv, gate = gate, conv
    embedding = _shared_embedding(conv, gate)
    _step(embedding.below, "InputLayer", "under the Embedding")

    _expect_head(top, pool)
    _expect_convolutions(conv, gate)
    shape = tuple(model.inputs[0].shape[1:])
    _expect(len(shape) == 1 and shape[0], f"the input shape is {shape}", "a fixed number of bytes, (maxlen,)")
    maxlen, vocabulary, window = shape[0], embedding.layer.input_dim, conv.layer.kernel_size[0]
    _expect(vocabulary in (256, 257), f"the vocabulary of layer {embedding.layer.name!r} is {vocabulary}", "256, or 257 with a symbol for padding")
    pad = (256 if vocabulary == 257 else 0) if pad is None else pad
    _expect(0 <= pad < vocabulary, f"the pad symbol is {pad}", f"a symbol of the vocabulary, 0 to {vocabulary - 1}")

    windows = -(-maxlen // window) if conv.layer.padding == "same" else maxlen // window
    return MalConv(
        maxlen=maxlen,
        pad=pad,
        windows=windows,
        lead=max(windows * window - maxlen, 0) // 2,
        conv_activation=conv.activation,
        merge_activation=merge.activation,
        dense_activation=dense.activation,
        probs=top.activation,
        embedding=embedding.layer.embeddings.numpy(),
        conv_kernel=np.concatenate([conv.layer.kernel.numpy(), gate.layer.kernel.numpy()], axis=-1),
        conv_bias=np.concatenate([_bias(conv.layer), _bias(gate.layer)]),
        dense_kernel=dense.layer.kernel.numpy(),
        dense_bias=_bias(dense.layer),
        logits_kernel=top.layer.kernel.numpy(),
        logits_bias=_bias(top.layer),
        keras=keras.Model(model.inputs, [dense.below, top.below, _logits(top), model.outputs[0]]),
    )


class _Step(NamedTuple):
    """One step of the walk from the output to the input."""

    layer: keras.layers.Layer
    inputs: list  # the tensors that layer reads
    activation: str  # between layer and where the step began

    @property
    def below(self):
        return self.inputs[0]


def _step(tensor, kind, where):
    """Walks from tensor down to the layer that computes it, past activations and dropout, and expects it to be of a kind."""
    activation = "linear"
    while True:
        history = tensor._keras_history
        layer = history.operation
        inputs = layer._inbound_nodes[history.node_index].input_tensors
        own = _activation(layer)
        if own != "linear":
            _expect(activation == "linear", f"layer {layer.name!r} applies {own} and a later one {activation}", "one activation")
            activation = own
        found = type(layer).__name__
        if found not in _ACTIVATIONS | _TRAINING_ONLY:
            break
        tensor = inputs[0]
    _expect(found == kind, f"layer {layer.name!r} is {found}", f"{kind} {where}")
    dtype = getattr(layer, "compute_dtype", "float32")  # an operator has none of its own
    _expect(dtype == "float32", f"layer {layer.name!r} computes in {dtype}", "float32")
    return _Step(layer, inputs, activation)


def _activation(layer):
    """Returns Keras's name of the activation that layer applies to its result."""
    kind = type(layer).__name__
    if kind == "ReLU":
        plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
        _expect(plain, f"layer {layer.name!r} is a clipped, leaky or shifted ReLU", "a plain one")
        return "relu"
    if kind == "Softmax":
        _expect(layer.axis == -1, f"layer {layer.name!r} takes softmax over axis {layer.axis}", "the last")
        return "softmax"
    name = keras.activations.serialize(getattr(layer, "activation", None) or keras.activations.linear)
    _expect(isinstance(name, str), f"layer {layer.name!r} has an activation of its own", "one that Keras has")
    return name


def _shared_embedding(conv, gate):
    embedding, other = (_step(side.below, "Embedding", "under the convolutions") for side in (conv, gate))
    _expect(embedding.layer is other.layer, f"the convolutions read {embedding.layer.name!r} and {other.layer.name!r}", "one Embedding for both")
    for each in embedding, other:
        _expect(each.activation == "linear", f"the embedding goes through {each.activation}", "no activation there")
    return embedding


def _expect_head(top, pool):
    """Refuses an output that is no choice of a class, and pooled features that are not the plain maximum."""
    want = "sigmoid" if top.layer.units == 1 else "softmax"
    _expect(top.activation == want, f"the output layer has units={top.layer.units} and activation {top.activation}", "one unit with sigmoid, or several with softmax")
    _expect(pool.activation == "linear", f"the pooled features go through {pool.activation}", "an activation before the pooling, if any")
    plain = pool.layer.data_format == "channels_last" and not pool.layer.keepdims
    _expect(plain, f"layer {pool.layer.name!r} pools with data_format={pool.layer.data_format!r} and keepdims={pool.layer.keepdims}", "channels_last and no keepdims")


def _expect_convolutions(conv, gate):
    """Refuses convolutions that are not one matrix product over windows side by side."""
    _expect(gate.activation == "sigmoid", f"the factors of the product have activations {gate.activation} and {conv.activation}", "sigmoid on one of them, the gate")
    _expect(conv.layer is not gate.layer, f"layer {conv.layer.name!r} is both factors of the product", "two convolutions")
    for layer in conv.layer, gate.layer:
        kernel, stride = layer.kernel_size[0], layer.strides[0]
        _expect(kernel == stride, f"layer {layer.name!r} has kernel {kernel} and stride {stride}", "a stride equal to the kernel")
        plain = layer.padding in ("same", "valid") and layer.dilation_rate == (1,) and layer.groups == 1 and layer.data_format == "channels_last"
        _expect(plain, f"layer {layer.name!r} is causal, dilated, grouped or channels_first", "a plain Conv1D with padding 'same' or 'valid'")
    for part in "filters", "kernel_size", "padding":
        ours, theirs = getattr(conv.layer, part), getattr(gate.layer, part)
        _expect(ours == theirs, f"{part} of {conv.layer.name!r} and {gate.layer.name!r} are {ours} and {theirs}", "equal ones")


def _logits(top):
    """Returns the output before its activation, computed by a copy of the output layer."""
    linear = keras.layers.Dense.from_config(top.layer.get_config() | {"name": "logits_before_activation", "activation": "linear"})
    logits = linear(top.below)
    linear.set_weights(top.layer.get_weights())
    return logits


def _bias(layer):
    return layer.bias.numpy() if layer.use_bias else np.zeros(layer.kernel.shape[-1], np.float32)


def _expect(holds, found, expected):
    if not holds:
        raise NotMalConv(f"{found}; expected {expected}")
