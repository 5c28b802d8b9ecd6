"""The Keras MalConv that this project trains.

A file is a row of byte values. Embedded, they pass through two convolutions
whose windows do not overlap; the sigmoid of one gates the other, and the
largest value of each filter over all windows describes the file:

    layer7 = max over windows of relu(conv(e) * sigmoid(gate(e)))   [filters]
    layer8 = dense(layer7)                                          [dense]
    probs  = softmax(dense(layer8))                                 [classes]

Raff et al. 2017, "Malware Detection by Eating a Whole EXE", arXiv:1710.09435.
"""

import tensorflow_setup  # noqa: F401  (first)

import keras
from keras import layers


def build(classes, maxlen=200_000, embedding=8, filters=128, window=500, dense=64):
    """Returns a MalConv over [n, maxlen] byte values with classes softmax outputs."""
    bytes_ = keras.Input((maxlen,), dtype="int32", name="bytes")
    embedded = layers.Embedding(256, embedding, name="embedding")(bytes_)
    conv = layers.Conv1D(filters, window, strides=window, padding="same", name="conv")(embedded)
    gate = layers.Conv1D(filters, window, strides=window, padding="same", name="gate")(embedded)
    gated = layers.Multiply()([conv, layers.Activation("sigmoid")(gate)])
    layer7 = layers.GlobalMaxPooling1D(name="layer7")(layers.Activation("relu")(gated))
    layer8 = layers.Dense(dense, name="layer8")(layer7)
    return keras.Model(bytes_, layers.Dense(classes, activation="softmax", name="probs")(layer8), name="malconv")
