"""Finds the parts of a MalConv in the graph of a Keras model.

MalConv is a family; its members differ in length, vocabulary, padding, widths
and activations, and in whether an activation is an argument or a layer:

    Input [n, maxlen] -> Embedding -> Conv1D, Conv1D (kernel = stride)
      -> Multiply (one side through sigmoid: the gate) -> [activation]
      -> GlobalMaxPooling1D -> Dense -> Dense (1 sigmoid or several softmax)

The walk goes from the output back to the input along the edges. The order of
model.layers says nothing: Keras lists the two convolutions either way.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow_setup  # noqa: F401  (first)

import keras
import numpy as np

from malconv_files import ACTIVATIONS, TRAINING_ONLY, NotMalConv, open_model  # noqa: F401  (NotMalConv is what read raises)
from malconv_files import expect as _expect


@dataclass(frozen=True)
class MalConv:
    """A MalConv's shape and weights. V symbols, E embedding, W window, F filters, H dense, C classes."""

    maxlen: int  # bytes read of a file
    pad: int  # the symbol beside the bytes of a file
    padding: str  # "back" or "front", where the pad symbols of a short file are
    windows: int  # windows of a file, each W positions
    lead: int  # positions of the first window before byte 0 ("same" padding)
    conv_activation: str
    gate_activation: str  # "sigmoid" or "relu"
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
    symbols: np.ndarray  # [V], what keras takes for each symbol here
    notes: tuple = ()  # what was taken for granted, a sentence each

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


def read(path, **told):
    """Reads a file or folder that holds a MalConv. told is what recognise takes beside the model, and maxlen."""
    source = open_model(path, told.get("maxlen"))
    told["bytes"] = told.get("bytes") or source.bytes
    return recognise(source.model, notes=source.notes, **told)


def recognise(model, pad=None, bytes=None, padding=None, maxlen=None, notes=()):
    """Returns the MalConv that model is, or raises NotMalConv.

    bytes is "plain" for a model that takes byte values, or "plus-one" for one
    that takes each byte plus one, and 0 for padding; padding is "back" or
    "front". The model does not tell them; None is "plain" and "back". pad is the
    symbol that the model takes for padding; None is 0, or 256 where the
    vocabulary has a symbol beyond the bytes and they are plain.

    A MalConv's symbols are the byte values, and then the pad symbol. Where bytes
    are plus one, the rows of the embedding move up by one and the first comes last.
    """
    functional = isinstance(model, keras.Model) and (hasattr(model, "operations") or isinstance(model, keras.Sequential))
    _expect(functional, f"the model is {type(model).__name__}", "a functional or sequential model")
    for what, tensors in ("inputs", model.inputs), ("outputs", model.outputs):
        _expect(len(tensors) == 1, f"the model has {len(tensors)} {what}", "one input, the bytes, and one output, the class probabilities")
    model = _flat(model, maxlen)

    top = _step(model.outputs[0], "Dense", "as the output layer")
    dense = _step(top.below, "Dense", "under the output layer")
    pool = _step(dense.below, "GlobalMaxPooling1D", "under the dense layers")
    merge = _step(pool.below, "Multiply", "under the pooling")
    _expect(len(merge.inputs) == 2, f"layer {merge.layer.name!r} multiplies {len(merge.inputs)} tensors", "two, a convolution and its gate")
    conv, gate = (_step(side, "Conv1D", "on both sides of the product") for side in merge.inputs)
    if _gate_rank(gate) > _gate_rank(conv):
        conv, gate = gate, conv
    embedding = _shared_embedding(conv, gate)
    _step(embedding.below, "InputLayer", "under the Embedding")

    _expect_head(top, pool)
    _expect_convolutions(conv, gate)
    shape = tuple(model.inputs[0].shape[1:])
    _expect(len(shape) == 1 and shape[0], f"the input shape is {shape}", "a fixed number of bytes, (maxlen,), or --maxlen N with the number that the model was trained with")
    _expect(maxlen in (None, shape[0]), f"the model reads {shape[0]} bytes and --maxlen is {maxlen}", "no --maxlen for a model that has a length")
    maxlen, vocabulary, window = shape[0], embedding.layer.input_dim, conv.layer.kernel_size[0]
    _expect(vocabulary in (256, 257), f"the vocabulary of layer {embedding.layer.name!r} is {vocabulary}", "256, or 257 with a symbol for padding")
    shift = 1 if bytes == "plus-one" else 0
    _expect(not shift or vocabulary == 257, f"bytes are to be taken plus one, 1 to 256, and the vocabulary of layer {embedding.layer.name!r} is {vocabulary}", "257")
    pad = (256 if vocabulary == 257 and not shift else 0) if pad is None else pad
    _expect(0 <= pad < vocabulary, f"the pad symbol is {pad}", f"a symbol of the vocabulary, 0 to {vocabulary - 1}")
    symbols = np.roll(np.arange(vocabulary, dtype=np.int32), -shift)

    windows = -(-maxlen // window) if conv.layer.padding == "same" else maxlen // window
    return MalConv(
        maxlen=maxlen,
        pad=(pad - shift) % vocabulary,
        padding=padding or "back",
        windows=windows,
        lead=max(windows * window - maxlen, 0) // 2,
        conv_activation=conv.activation,
        gate_activation=gate.activation,
        merge_activation=merge.activation,
        dense_activation=dense.activation,
        probs=top.activation,
        embedding=embedding.layer.embeddings.numpy()[symbols],
        conv_kernel=np.concatenate([conv.layer.kernel.numpy(), gate.layer.kernel.numpy()], axis=-1),
        conv_bias=np.concatenate([_bias(conv.layer), _bias(gate.layer)]),
        dense_kernel=dense.layer.kernel.numpy(),
        dense_bias=_bias(dense.layer),
        logits_kernel=top.layer.kernel.numpy(),
        logits_bias=_bias(top.layer),
        keras=keras.Model(model.inputs, [dense.below, top.below, _logits(top), model.outputs[0]]),
        symbols=symbols,
        notes=notes,
    )


def _flat(model, maxlen):
    """Returns the model with the layers of the models inside it in their place, and maxlen as its length if it has none."""

    def call(layer, *args, **kwargs):
        return clone(layer, args).outputs[0] if isinstance(layer, keras.Model) else layer(*args, **kwargs)

    def clone(model, inputs):
        functional = keras.Model(model.inputs, model.outputs)  # which a Sequential is not
        return keras.models.clone_model(functional, input_tensors=list(inputs), clone_function=lambda layer: layer, call_function=call)

    (read,) = model.inputs
    length = maxlen if read.shape[1:] == (None,) else None
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    return clone(model, [keras.Input((length,), dtype=read.dtype)] if length else model.inputs) if nested or length else keras.Model(model.inputs, model.outputs)


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
        if found not in ACTIVATIONS | TRAINING_ONLY:
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


def _gate_rank(step):
    """Returns how little the activation of a factor makes it the gate. Some MalConvs gate by ReLU, the other factor being linear."""
    return {"sigmoid": 0, "relu": 1}.get(step.activation, 2)


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
    _expect(_gate_rank(gate) < 2, f"the factors of the product have activations {gate.activation} and {conv.activation}", "sigmoid or relu on one of them, the gate")
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
