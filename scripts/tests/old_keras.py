"""Writes a model as the Keras of TensorFlow 2.0 saved it to .h5.

The layout was checked against files that TensorFlow 2.0.0 and Keras 2.3.1 wrote.
"""

import json

import h5py

_SETTINGS = {
    "Embedding": ("input_dim", "output_dim", "mask_zero"),
    "Conv1D": ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias"),
    "Dense": ("units", "activation", "use_bias"),
    "Activation": ("activation",),
    "GlobalMaxPooling1D": ("data_format",),
    "Multiply": (),
}


def save(model, path, edit=lambda layer: None):
    """Saves a functional model; edit may change the stated configuration of each layer."""
    producer = {id(layer.output): layer.name for layer in model.layers}
    stated = [_state(layer, producer) for layer in model.layers]
    for layer in stated:
        edit(layer)
    config = {
        "class_name": "Model",
        "config": {
            "name": "model",
            "layers": stated,
            "input_layers": [[producer[id(tensor)], 0, 0] for tensor in model.inputs],
            "output_layers": [[producer[id(tensor)], 0, 0] for tensor in model.outputs],
        },
    }
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4-tf"
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["training_config"] = json.dumps({"loss": "categorical_crossentropy", "metrics": ["acc"]}).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = weights.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights):
                group.create_dataset(name, data=weight.numpy())


def _state(layer, producer):
    kind = type(layer).__name__
    config = {"name": layer.name, "dtype": "float32"}
    if kind == "InputLayer":
        config |= {"batch_input_shape": layer.batch_shape, "sparse": False}
        return {"class_name": kind, "name": layer.name, "config": config, "inbound_nodes": []}
    new = layer.get_config()
    config |= {key: new[key] for key in _SETTINGS[kind]}
    if layer.weights:
        config["kernel_regularizer"] = config["kernel_constraint"] = None
        config["kernel_initializer"] = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    if kind == "Embedding":  # a layer that had no kernel, and its own leftovers
        config["embeddings_initializer"] = config.pop("kernel_initializer")
        del config["kernel_regularizer"], config["kernel_constraint"]
        config |= {"input_length": None, "batch_input_shape": [None, None]}
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return {"class_name": kind, "name": layer.name, "config": config, "inbound_nodes": [[[producer[id(tensor)], 0, 0, {}] for tensor in inputs]]}
