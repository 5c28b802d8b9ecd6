"""Writes scripts/tests/testdata: small MalConvs that other tools saved, and what these tools compute with them.

    python scripts/golden/foreign.py torch     PyTorch 2.15.0, NumPy
    python scripts/golden/foreign.py keras2    tf_keras 2.21.0 (Keras 2) beside TensorFlow

Weights are random. The classes have the parameter names of those projects whose
files the converter reads, at a hundredth of their size. golden.json has, for
each file of the list that samples() makes, the outputs of the saving tool.
"""

import json
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent.parent / "tests/testdata"
MAXLEN, WINDOW, FILTERS, EMBEDDING = 1010, 50, 6, 4


def samples():
    """The files: empty, of one byte, of part of a window, with zeros, as long as the input, and longer."""
    rng = np.random.default_rng(7)
    files = [rng.integers(0, 256, size, np.uint8) for size in (0, 1, 70, 500, MAXLEN - 1, MAXLEN, MAXLEN + 90)]
    files[3][100:300] = 0
    return files


def symbols(pad, shift):
    rows = np.full((len(samples()), MAXLEN), pad, np.int64)
    for row, file in zip(rows, samples()):
        row[: len(file)] = file[:MAXLEN].astype(np.int64) + shift
    return rows


def keep(name, outputs):
    """Adds the outputs of a model to golden.json."""
    path = OUT / "golden.json"
    golden = json.loads(path.read_text()) if path.exists() else {}
    golden[name] = {layer: np.asarray(rows).tolist() for layer, rows in outputs.items()}
    path.write_text(json.dumps(dict(sorted(golden.items())), separators=(",", ":")).replace("],[", "],\n[") + "\n")


def with_torch():
    import torch
    from torch import nn

    torch.manual_seed(1)

    class Embedded(nn.Module):
        """As MalConv of secml_malware: a convolution with ReLU, one sigmoid unit."""

        def __init__(self):
            super().__init__()
            self.embedding_1 = nn.Embedding(257, EMBEDDING)
            self.conv1d_1, self.conv1d_2 = (nn.Conv1d(EMBEDDING, FILTERS, WINDOW, stride=WINDOW) for _ in range(2))
            self.dense_1, self.dense_2 = nn.Linear(FILTERS, 5), nn.Linear(5, 1)

        def forward(self, x):
            e = self.embedding_1(x).transpose(1, 2)
            layer7 = (torch.relu(self.conv1d_1(e)) * torch.sigmoid(self.conv1d_2(e))).amax(dim=2)
            layer8 = torch.relu(self.dense_1(layer7))
            logits = self.dense_2(layer8)
            return {"layer7": layer7, "layer8": layer8, "logits": logits, "probs": torch.sigmoid(logits)}

    class Chunked(nn.Module):
        """As MalConv of MalConv2: a linear convolution, two logits, bytes plus one with 0 for padding."""

        def __init__(self):
            super().__init__()
            self.embd = nn.Embedding(257, EMBEDDING, padding_idx=0)
            self.conv_1, self.conv_2 = (nn.Conv1d(EMBEDDING, FILTERS, WINDOW, stride=WINDOW) for _ in range(2))
            self.fc_1, self.fc_2 = nn.Linear(FILTERS, FILTERS), nn.Linear(FILTERS, 2)

        def forward(self, x):
            e = self.embd(x).transpose(1, 2)
            layer7 = (self.conv_1(e) * torch.sigmoid(self.conv_2(e))).amax(dim=2)
            layer8 = torch.relu(self.fc_1(layer7))
            logits = self.fc_2(layer8)
            return {"layer7": layer7, "layer8": layer8, "logits": logits, "probs": torch.softmax(logits, 1)}

    class Gated(Chunked):
        """With the parameters of MalConvGCT that a plain MalConv does not have."""

        def __init__(self):
            super().__init__()
            self.context_net = nn.Conv1d(EMBEDDING, 1, 2)
            self.linear_atn = nn.ModuleList([nn.Linear(2, 2)])

    def outputs(model, pad, shift):
        with torch.no_grad():
            return {layer: rows.numpy() for layer, rows in model(torch.from_numpy(symbols(pad, shift))).items()}

    model = Embedded()
    keep("secml.pth", outputs(model, 256, 0))
    torch.save(model.state_dict(), OUT / "secml.pth")
    torch.save(model.state_dict(), OUT / "secml_legacy.pth", _use_new_zipfile_serialization=False)
    torch.jit.script(nn.Linear(2, 2)).save(OUT / "torchscript.pth")
    model.embedding_1.weight.data = model.embedding_1.weight.data.double()
    torch.save(model.state_dict(), OUT / "double.pth")
    torch.save(nn.Linear(2, 2), OUT / "module.pth")

    model = Chunked()
    adam = torch.optim.Adam(model.parameters())
    model(torch.from_numpy(symbols(0, 1)))["logits"].sum().backward()
    adam.step()
    keep("malconv2.checkpoint", outputs(model, 0, 1))
    about = {"epoch": 0, "optimizer_state_dict": adam.state_dict(), "channels": FILTERS, "filter_size": WINDOW, "stride": WINDOW, "embd_dim": EMBEDDING, "non_neg": False}
    torch.save({"model_state_dict": model.state_dict()} | about, OUT / "malconv2.checkpoint")
    torch.save({"model_state_dict": model.state_dict(), "stride": 10}, OUT / "strided.checkpoint")
    torch.save({"state_dict": nn.DataParallel(model).state_dict()}, OUT / "parallel.pth", _use_new_zipfile_serialization=False)
    torch.save({"model_state_dict": Gated().state_dict()}, OUT / "gct.checkpoint")


def with_keras2():
    import tf_keras as keras
    from tf_keras import layers

    keras.utils.set_random_seed(1)

    def malconv():
        inputs = layers.Input((MAXLEN,))
        embedded = layers.Embedding(257, EMBEDDING, embeddings_initializer="normal")(inputs)
        options = {"strides": WINDOW, "padding": "valid", "bias_initializer": "normal"}
        conv = layers.Conv1D(FILTERS, WINDOW, activation="relu", **options)(embedded)
        gate = layers.Conv1D(FILTERS, WINDOW, activation="sigmoid", **options)(embedded)
        layer7 = layers.GlobalMaxPooling1D(name="layer7")(layers.Multiply()([conv, gate]))
        layer8 = layers.Dense(5, activation="relu", bias_initializer="normal", name="layer8")(layer7)
        return keras.Model(inputs, layers.Dense(1, activation="sigmoid", bias_initializer="normal", name="probs")(layer8))

    def sliced(data, i, parts):
        return data[i::parts]

    sliced.__code__ = sliced.__code__.replace(co_filename=Path(__file__).name)  # which the file would hold
    base = malconv()
    base.compile("sgd", "binary_crossentropy")
    base.train_on_batch(symbols(256, 0), np.zeros(len(samples())))
    layers_ = [base.get_layer(name).output for name in ("layer7", "layer8", "probs")]
    features = keras.Model(base.inputs, layers_).predict(symbols(256, 0), verbose=0)
    keep("keras2", dict(zip(("layer7", "layer8", "probs"), features)))
    base.save(OUT / "keras2")

    # What keras.utils.multi_gpu_model made until TensorFlow 2.4.
    inputs = layers.Input((MAXLEN,))
    slices = [layers.Lambda(sliced, output_shape=(MAXLEN,), arguments={"i": i, "parts": 2})(inputs) for i in range(2)]
    joined = layers.Concatenate(axis=0, name="dense_1")([base(part) for part in slices])
    keras.Model(inputs, joined).save(OUT / "multi_gpu.h5")

    inputs = layers.Input((MAXLEN,))
    nested = keras.Sequential([layers.InputLayer((MAXLEN,)), keras.Model(base.inputs, layers_[0], name="trunk"), base.layers[-2], base.layers[-1]])
    nested.save(OUT / "nested.h5")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    {"torch": with_torch, "keras2": with_keras2}[sys.argv[1]]()
