"""Opens the file of a MalConv, whatever its name, as a Keras model.

The content tells the format:

    HDF5            a whole model of Keras (.h5)
    zip archive     a whole model of Keras 3 (.keras), or PyTorch weights
    pickle          PyTorch weights of before PyTorch 1.6
    folder          a SavedModel with Keras 2's own description in it

None of them may run code: layers are Keras's own and known beforehand, and of
PyTorch files only the tensors are read (see torch_file.py).
"""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tensorflow_setup  # noqa: F401  (first)

import h5py
import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from keras import layers
from tensorflow.python.keras.protobuf import saved_metadata_pb2

import torch_file


class NotMalConv(ValueError):
    """Says in one sentence which part of a model differs from a MalConv, and what was expected."""


def expect(holds, found, expected):
    if not holds:
        raise NotMalConv(f"{found}; expected {expected}")


@dataclass(frozen=True)
class Source:
    """What a file holds."""

    model: keras.Model
    bytes: str = ""  # "plain" or "plus-one" where the file's layout tells it
    notes: tuple = ()  # what was taken for granted, a sentence each


def open_model(path, maxlen=None):
    """Returns the Source of a file or folder. maxlen is the length of weights that do not state theirs."""
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if h5py.is_hdf5(path):
        return _open_h5(path)
    with open(path, "rb") as file:
        pickled = file.read(1) == b"\x80"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if "config.json" in names:
            return _open_keras(path)
        pickled = any(name.endswith("/data.pkl") for name in names)
    expect(pickled, "the content is neither HDF5, nor a .keras archive, nor PyTorch weights", "a MalConv as model.save of Keras or torch.save of PyTorch writes it")
    return _open_torch(path, maxlen)


## Keras

# Layers that are the identity once training is over.
TRAINING_ONLY = {"Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "ActivityRegularization"}
ACTIVATIONS = {"Activation", "ReLU", "Softmax"}
_MALCONV = {"InputLayer", "Embedding", "Conv1D", "Multiply", "GlobalMaxPooling1D", "Dense"}
_MODELS = {"Model", "Functional", "Sequential"}

# What reading a file of another structure raises.
_DAMAGED = OSError, LookupError, TypeError, AttributeError, RuntimeError, UnicodeError, zipfile.BadZipFile, json.JSONDecodeError


def _open_keras(path):
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            config = _checked(config)
            members = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except _DAMAGED as error:
        raise _unreadable(error) from error
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "model.keras")
        with zipfile.ZipFile(copy, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, json.dumps(config) if name == "config.json" else content)
        return Source(_load(copy))


def _open_h5(path):
    try:
        with h5py.File(path) as file:
            expect("model_config" in file.attrs, "the file holds weights alone", "a whole model, as model.save writes it")
            config = _checked(json.loads(file.attrs["model_config"]))
            weights = _weights(file["model_weights"], config)
    except _DAMAGED as error:
        raise _unreadable(error) from error
    return Source(_build(config, weights))


def _unreadable(error):
    return NotMalConv(f"the file cannot be read as a Keras model ({error}); expected what model.save writes")


def _layers(config):
    """Returns the configurations of a model's own layers."""
    inside = config["config"]
    return inside if isinstance(inside, list) else inside.get("layers", [])  # a list in a Sequential of before Keras 2.2.3


def _name(layer):
    return layer["config"].get("name", layer.get("name")) if isinstance(layer["config"], dict) else layer.get("name")


def _checked(config):
    """Unwraps a configuration and refuses, before Keras runs any code of the file, layers that no MalConv has."""
    _unwrap(config)

    def check(model):
        for layer in _layers(model):
            kind = layer["class_name"]
            if kind in _MODELS:
                check(layer)
            elif kind not in _MALCONV | ACTIVATIONS | TRAINING_ONLY:
                hint = " (write the product with the gate as keras.layers.Multiply)" if "Lambda" in kind else ""
                raise NotMalConv(f"layer {_name(layer)!r} is {kind}, which no MalConv has{hint}; expected only {', '.join(sorted(_MALCONV))}, activations and dropout")

    check(config)
    return config


def _unwrap(config):
    """Takes the layers that only share a batch out among devices from a configuration.

    keras.utils.multi_gpu_model and its forerunners wrap a model so, for n devices:

        Input -> Lambda(i of n) for each i -> the model -> Concatenate over the batch

    The Lambdas are told by their arguments, i (or idx) and parts; their code is
    never looked at. A model does the same to a row in whichever part it is.
    """
    kinds = {}
    for layer in _layers(config):
        kinds.setdefault(layer["class_name"], []).append(layer)
    slices, inputs = kinds.pop("Lambda", []), kinds.pop("InputLayer", [])
    inner = [layer for kind in _MODELS for layer in kinds.pop(kind, [])]
    joins = kinds.pop("Concatenate", []) + kinds.pop("Merge", [])
    if kinds or (len(inputs), len(inner), len(joins)) != (1, 1, 1):
        return
    arguments = [layer["config"].get("arguments") or {} for layer in slices]
    parts = sorted((a.get("i", a.get("idx", -1)), a.get("parts")) for a in arguments if len(a) == 2)
    if len(slices) < 2 or parts != [(i, len(slices)) for i in range(len(slices))]:
        return
    if joins[0]["config"].get("axis", joins[0]["config"].get("concat_axis")) != 0:
        return

    def renamed(part):
        """The part of a configuration in which the input stands for the slices."""
        if isinstance(part, list):
            return [renamed(each) for each in part]
        if isinstance(part, dict):
            return {key: renamed(each) for key, each in part.items()}
        return _name(inputs[0]) if part in map(_name, slices) else part

    inner[0]["inbound_nodes"] = renamed(inner[0]["inbound_nodes"][:1])
    config["config"]["layers"] = inputs + inner
    config["config"]["output_layers"] = [[_name(inner[0]), 0, 0]]


def _modernise(model):
    """Drops from a configuration what only training needs and Keras 3 cannot always read in older files."""
    for ends in "input_layers", "output_layers":
        if isinstance(model["config"], dict) and len(model["config"].get(ends, [])) == 1:
            (model["config"][ends],) = model["config"][ends]  # a list of one tensor is a tensor to older Keras
    for layer in _layers(model):
        settings = layer["config"]
        if layer["class_name"] in _MODELS:
            _modernise(layer)
            continue
        for key in list(settings):
            if key == "trainable" or key.endswith(("_initializer", "_regularizer", "_constraint")):
                del settings[key]
        shape = settings.pop("batch_input_shape", None)
        if layer["class_name"] == "InputLayer" and shape:
            settings["batch_shape"] = shape
        if isinstance(settings.get("dtype"), dict):  # a policy, whose class was renamed over time
            settings["dtype"] = settings["dtype"]["config"]["name"]


def _leaves(model):
    """Returns the names of the layers in a model's configuration, in order, with those of models inside in their place."""
    return [name for layer in _layers(model) for name in (_leaves(layer) if layer["class_name"] in _MODELS else [_name(layer)])]


def _weights(group, config):
    """Returns {(top, layer): {variable: array}} of the weights in an .h5 file.

    top is the layer of the outermost model that holds layer, or layer itself.
    Keras goes by order here, and releases differ in the order of the two
    convolutions, which have the same shape. The names tell them apart:
    "conv1d_1/kernel:0", for a layer of a model inside "model_1/conv1d_1/kernel:0"
    or without the first part.
    """
    inside = {_name(layer): set(_leaves(layer)) for layer in _layers(config) if layer["class_name"] in _MODELS}
    found = {}
    for top in map(_text, group.attrs["layer_names"]):
        for path in map(_text, group[top].attrs["weight_names"]):
            *scopes, variable = path.partition(":")[0].split("/")
            owner = next((scope for scope in reversed(scopes) if scope in inside[top]), None) if top in inside else top
            expect(owner, f"the weight {path!r} of the model {top!r} inside does not name its layer", "Keras's usual names, LAYER/VARIABLE")
            variables = found.setdefault((top, owner), {})
            expect(variable not in variables, f"layer {owner!r} has two weights {variable!r}", "layers of different names")
            variables[variable] = np.asarray(group[top][path])
    return found


def _text(name):
    return name.decode() if isinstance(name, bytes) else name


def _build(config, weights):
    """Returns the model of a configuration as .h5 files have it, with weights as _weights returns them."""
    _modernise(config)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "model.h5")
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(config)
            group = file.create_group("model_weights")
            group.attrs["layer_names"] = [_name(layer) for layer in _layers(config)]
            for layer in _layers(config):
                top = _name(layer)
                owners = _leaves(layer) if layer["class_name"] in _MODELS else [top]
                own = {f"{owner}/{variable}": values for owner in owners for variable, values in sorted(weights.get((top, owner), {}).items(), reverse=True)}  # a kernel before its bias
                group.create_group(top).attrs["weight_names"] = list(own)
                for name, values in own.items():
                    group[top][name] = values
        model = _load(path)
    _set_weights(model, weights)
    return model


def _load(path):
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what the code of a layer happens to
        reason = (str(error).strip() or repr(error)).splitlines()[-1]
        raise NotMalConv(f"Keras {keras.__version__} does not load it ({reason}); expected layers and activations of Keras's own") from error


def _set_weights(model, weights, top=None):
    """Sets the weights of a model by the names of layers and variables."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _set_weights(layer, weights, top or layer.name)
            continue
        own = weights.get((top or layer.name, layer.name), {})
        for variable in layer.weights:
            expect(variable.name in own, f"the file has no weight {variable.name!r} of layer {layer.name!r}", "every weight of the model")
            variable.assign(own[variable.name])


def _open_folder(path):
    """Reads a SavedModel that Keras 2 wrote, from its description and its variables; its graph is not loaded."""
    described = path / "keras_metadata.pb"
    expect(not (path / "assets.extra" / "malconv.json").is_file(), "the folder is a converted model already", "what it was converted from; driftbench takes this one as it is")
    expect(described.is_file(), "the folder holds no keras_metadata.pb", "a SavedModel that Keras 2 wrote; save other models as one file, .keras or .h5")
    try:
        nodes = saved_metadata_pb2.SavedMetadata.FromString(described.read_bytes()).nodes
        about = {node.node_path: json.loads(node.metadata) for node in nodes if node.node_path.startswith("root")}
        config = _checked({"class_name": about["root"]["class_name"], "config": about["root"]["config"]})
        variables = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
        weights = {}
        for key in variables.get_variable_to_shape_map():
            if not (key.startswith("layer") and key.endswith(suffix)):
                continue  # the optimiser's
            *owners, variable = key.removesuffix(suffix).split("/")
            named = [about[".".join(["root", *owners[: depth + 1]])]["name"] for depth in range(len(owners))]
            weights.setdefault((named[0], named[-1]), {})[variable] = variables.get_tensor(key)
    except (*_DAMAGED, DecodeError, tf.errors.OpError) as error:
        raise _unreadable((str(error).splitlines() or [repr(error)])[0]) from error
    return Source(_build(config, weights))


## PyTorch


class _Layout(NamedTuple):
    """A MalConv of PyTorch by the names of its parameters; their values do not tell its activations."""

    project: str
    embedding: str
    conv: str
    gate: str  # through sigmoid
    dense: str  # through ReLU
    top: str
    conv_activation: str
    bytes: str  # "plus-one": 0 is the padding, a byte v is the symbol v+1
    maxlen: int | None  # bytes of a file that the project's class reads unless told otherwise

    @property
    def layers(self):
        return self.embedding, self.conv, self.gate, self.dense, self.top

    @property
    def parameters(self):
        return {f"{self.embedding}.weight"} | {f"{layer}.{part}" for layer in self.layers[1:] for part in ("weight", "bias")}


_LAYOUTS = [
    # MalConv in secml_malware/models/malconv.py of github.com/pralab/secml_malware, and of its successor maltorch.
    _Layout("secml_malware", "embedding_1", "conv1d_1", "conv1d_2", "dense_1", "dense_2", "relu", "plain", 2**20),
    # MalConv.py of github.com/FutureComputing4AI/MalConv2, and MalConv2MB of secml_malware. BinaryDataset adds one to each byte.
    _Layout("MalConv2", "embd", "conv_1", "conv_2", "fc_1", "fc_2", "linear", "plus-one", None),
]
# Parameters that other networks of MalConv2 have.
_OTHERS = {"context_net.": "MalConvGCT", "convs_share.": "MalConvGCT", "linear_atn.": "MalConvGCT", "convs_1.": "MalConvML", "convs.": "MalConvML or AvastConv"}


def _open_torch(path, maxlen):
    try:
        loaded = torch_file.read(path)
    except torch_file.TorchFileError as error:
        raise NotMalConv(str(error)) from error
    state, settings = _state(loaded)
    for prefix, name in _OTHERS.items():
        expect(not any(key.startswith(prefix) for key in state), f"the weights are those of {name}, which has the parameters {prefix}*", "a plain MalConv, one convolution and its gate")
    layout = next((each for each in _LAYOUTS if each.parameters == set(state)), None)
    known = ", or ".join(f"{', '.join(each.layers)} ({each.project})" for each in _LAYOUTS)
    expect(layout, f"the parameters are {', '.join(list(state)[:12])}", f"weights and biases of {known}")
    model, embedding = _torch_model(layout, state, settings, maxlen or layout.maxlen)

    notes = []
    if "stride" not in settings and layout.project == "MalConv2":
        notes.append(f"the file does not say the stride of the convolutions: it is taken to be their kernel, {model.get_layer('conv').kernel_size[0]}")
    told = layout.bytes
    if len(embedding) == 257 and embedding[0].any() != embedding[256].any():  # the row of PyTorch's padding_idx is zero
        told = "plain" if embedding[0].any() else "plus-one"
    if told != layout.bytes:
        notes.append(f"symbol {0 if told == 'plus-one' else 256} has an embedding of zeros, so it is taken for the padding, unlike in {layout.project}")
    return Source(model, told, tuple(notes))


def _state(loaded):
    """Returns the state dict of what torch.save was given, and the numbers that came with it."""
    expect(isinstance(loaded, dict), f"the file holds {type(loaded).__name__}", "a state dict, as torch.save(model.state_dict(), FILE) writes it")
    state = next((loaded[key] for key in ("model_state_dict", "state_dict", "model") if isinstance(loaded.get(key), dict)), loaded)
    tensors = state and all(isinstance(key, str) and isinstance(value, np.ndarray) for key, value in state.items())
    expect(tensors, "the file holds no state dict, neither as such nor as model_state_dict or state_dict", "the weights of a model by their names")
    for prefix in "module.", "_orig_mod.", "model.":  # of wrappers of PyTorch
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state, {key: value for key, value in loaded.items() if isinstance(value, int)} if state is not loaded else {}


def _torch_model(layout, state, settings, maxlen):
    """Returns the Keras model with the weights of a state dict, and its embedding."""
    for name, values in state.items():
        expect(values.dtype == np.float32, f"the parameter {name} is {values.dtype}", "float32")
    weight = {part: state[f"{getattr(layout, part)}.weight"] for part in ("embedding", "conv", "gate", "dense", "top")}
    shapes = {part: values.shape for part, values in weight.items()}
    ranks = {part: len(shape) for part, shape in shapes.items()}
    expect(ranks == {"embedding": 2, "conv": 3, "gate": 3, "dense": 2, "top": 2}, f"the weights have the shapes {shapes}", "an embedding, two convolutions and two dense layers")
    symbols, width = shapes["embedding"]
    filters, _, window = shapes["conv"]
    hidden, classes = shapes["top"][1], shapes["top"][0]
    fits = shapes["gate"] == shapes["conv"] and shapes["conv"][1] == width and shapes["dense"] == (hidden, filters)
    expect(fits, f"the weights have the shapes {shapes}", "layers that fit each other")
    stride = settings.get("stride", window)
    expect(stride == window, f"the convolutions have kernel {window} and stride {stride}", "a stride equal to the kernel")
    expect(maxlen, "the weights do not say how many bytes of a file they read", "--maxlen N, the length that the network was trained with (16000000 is the default of MalConvTrain.py, 2000000 of MalConv2MB)")
    expect(maxlen >= window, f"--maxlen is {maxlen}", f"at least the window of {window} bytes")

    inputs = keras.Input((maxlen,))
    embedded = layers.Embedding(symbols, width, name="embedding")(inputs)
    options = {"strides": window, "padding": "valid"}
    conv = layers.Conv1D(filters, window, activation=layout.conv_activation, name="conv", **options)(embedded)
    gate = layers.Conv1D(filters, window, activation="sigmoid", name="gate", **options)(embedded)
    layer7 = layers.GlobalMaxPooling1D()(layers.Multiply()([conv, gate]))
    layer8 = layers.Dense(hidden, activation="relu", name="dense")(layer7)
    model = keras.Model(inputs, layers.Dense(classes, activation="sigmoid" if classes == 1 else "softmax", name="top")(layer8))
    model.get_layer("embedding").set_weights([weight["embedding"]])
    for part in "conv", "gate", "dense", "top":
        bias = state[f"{getattr(layout, part)}.bias"]
        expect(bias.shape == shapes[part][:1], f"the bias of {getattr(layout, part)} has the shape {bias.shape}", f"{shapes[part][:1]}")
        model.get_layer(part).set_weights([weight[part].T, bias])  # a kernel is [F, E, W] there, [W, E, F] here
    return model, weight["embedding"]
