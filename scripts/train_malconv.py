"""Trains a MalConv on the rows of one split, and on nothing else.

SPLIT.csv is what `driftbench splits` writes: name,label,first_seen,path. The
model goes to OUT.keras and the SHA-256 digest of what it saw of every file to
OUT.keras.trained_on.sha256, so that a later reader can check which files are
new to the network. One seed gives one model on one machine.

Windows do not overlap and only the largest value of each filter counts, so a
file is a set of windows: a window that repeats, and the padding, count once.
A step finds the windows that hold a maximum and takes the gradient through
those alone, which is exact (Raff et al. 2021, "Classifying Sequences of
Extreme Length with Constant Memory", arXiv:2012.09390).
"""

import argparse
import csv
import hashlib
import sys
import tempfile
from pathlib import Path

import tensorflow_setup  # noqa: F401  (first)

import keras
import numpy as np
import tensorflow as tf

import malconv

WINDOW = 500
RATE = 3e-3  # of Adam
KEEP = 0.3  # share of a file's windows, drawn anew in each epoch: a file must be told by more than one of its parts
ENOUGH = 0.02  # training loss at which to stop


class InputError(Exception):
    """Says in one sentence what is wrong with the split, and where."""


def read_split(path, labels, maxlen):
    """Reads a split.

    Returns per file its distinct windows, uint8 [windows, WINDOW], its class,
    an index into labels, and the SHA-256 digest of the bytes that the model sees.
    """
    windows, classes, digests = [], [], []
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, restval="")
        for column in "label", "path":
            if column not in (rows.fieldnames or []):
                raise InputError(f"{path} has no column {column!r}; expected what driftbench splits writes")
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if row["label"] not in labels:
                raise InputError(f"{where}: label {row['label']!r}; expected one of {', '.join(labels)}")
            try:
                content = Path(row["path"]).read_bytes()
            except OSError as error:
                raise InputError(f"{where}: {error}") from error
            windows.append(distinct_windows(content, maxlen))
            classes.append(labels.index(row["label"]))
            digests.append(hashlib.sha256(content[:maxlen]).hexdigest())
    for index, label in enumerate(labels):
        if index not in classes:
            raise InputError(f"{path} has no row with label {label!r}; expected files of every class")
    return windows, np.array(classes), digests


def distinct_windows(content, maxlen):
    """Returns the set of windows of a file's first maxlen bytes, padded by zeros."""
    data = np.zeros(maxlen, np.uint8)
    data[: len(content)] = np.frombuffer(content[:maxlen], np.uint8)
    return np.unique(data.reshape(-1, WINDOW), axis=0)


def join(windows):
    """Returns the windows of several files one after another, int32 [m, WINDOW], and the number of each one's file, int32 [m]."""
    segment = np.repeat(np.arange(len(windows), dtype=np.int32), [len(each) for each in windows])
    return tf.constant(np.concatenate(windows), tf.int32), tf.constant(segment)


class Trainer:
    """Trains the weights of a MalConv over one window; they are those of a MalConv of any length."""

    def __init__(self, classes, optimizer):
        self.model = malconv.build(classes, maxlen=WINDOW, window=WINDOW)
        self.head = keras.Model(self.model.get_layer("layer7").output, self.model.outputs)
        self.optimizer = optimizer
        self.optimizer.build(self.model.trainable_variables)

    def activations(self, windows):
        """Returns layer7 [m, F] of single windows [m, WINDOW], by products: Keras's convolution has a slow gradient here."""
        embedded = tf.reshape(self.model.get_layer("embedding")(windows), [tf.shape(windows)[0], -1])

        def convolve(name):
            layer = self.model.get_layer(name)
            return embedded @ tf.reshape(layer.kernel, [-1, layer.filters]) + layer.bias

        return tf.nn.relu(convolve("conv") * tf.sigmoid(convolve("gate")))

    @tf.function(reduce_retracing=True)
    def step(self, windows, segment, classes):
        """One step on files given by join, with a class each, int32 [n]. Returns the loss before it."""
        files = tf.size(classes)
        found = self.activations(windows)
        largest = tf.math.unsorted_segment_max(found, segment, files)
        # A filter that is zero in every window, as it may be after ReLU, has no gradient.
        holds = tf.reduce_any((found == tf.gather(largest, segment)) & (found > 0), axis=1)
        windows, segment = windows[holds], segment[holds]
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            layer7 = tf.maximum(tf.math.unsorted_segment_max(self.activations(windows), segment, files), 0)
            probs = self.head(layer7)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(classes, probs))
        # The embedding's gradient comes as one row a byte; Adam needs the sum for each symbol.
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, variables)]
        self.optimizer.apply_gradients(zip(gradients, variables))
        return loss

    @tf.function(reduce_retracing=True)
    def predict(self, windows, segment, files):
        """Returns the probabilities [files, C] of files given by join."""
        return self.head(tf.math.unsorted_segment_max(self.activations(windows), segment, files))


def train(windows, classes, epochs, batch, seed):
    """Returns a Trainer whose model is trained on files: the windows of each, and its class."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(seed)
    classes = classes.astype(np.int32)
    trainer = Trainer(int(classes.max()) + 1, keras.optimizers.Adam(RATE))
    for epoch in range(epochs):
        order = rng.permutation(len(windows))
        loss = 0.0
        for files in np.split(order, range(batch, len(order), batch)):
            one = trainer.step(*join([draw(windows[file], rng) for file in files]), tf.constant(classes[files]))
            loss += float(one) * len(files) / len(order)
        print(f"epoch {epoch + 1}: loss {loss:.4f}", file=sys.stderr, flush=True)
        if loss < ENOUGH:
            break
    return trainer


def draw(windows, rng):
    """Returns a random part of a file's windows, at least one, in order."""
    size = max(1, round(KEEP * len(windows)))
    return windows[np.sort(rng.choice(len(windows), size, replace=False))]


def accuracy(trainer, windows, classes, batch):
    """Returns the share of files, with all their windows, that the model classifies right."""
    hits = 0
    for start in range(0, len(windows), batch):
        files = slice(start, start + batch)
        probs = trainer.predict(*join(windows[files]), len(windows[files]))
        hits += np.count_nonzero(np.argmax(probs, axis=1) == classes[files])
    return hits / len(windows)


def save(trainer, maxlen, digests, out):
    """Writes the model and the digests of what it was trained on; each appears whole, the model last."""
    model = malconv.build(trainer.model.output_shape[-1], maxlen, window=WINDOW)
    model.set_weights(trainer.model.get_weights())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        new, listed = Path(scratch, "new.keras"), Path(scratch, "digests")
        model.save(new)
        listed.write_text("".join(digest + "\n" for digest in sorted(set(digests))))
        listed.rename(f"{out}.trained_on.sha256")
        new.rename(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split", metavar="SPLIT.csv", help="name,label,first_seen,path, from driftbench splits")
    parser.add_argument("out", metavar="OUT.keras", type=Path, help="the model to write")
    parser.add_argument("--labels", required=True, help="the classes, a,b,c, in the order of the model's outputs")
    parser.add_argument("--epochs", type=int, default=20, help="at most (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="files a step (default %(default)s)")
    parser.add_argument("--maxlen", type=int, default=200_000, help=f"bytes read of a file, a multiple of {WINDOW} (default %(default)s)")
    args = parser.parse_args()
    if args.out.suffix != ".keras":
        parser.error(f"OUT.keras is {args.out}; expected a name that ends in .keras")
    if args.maxlen <= 0 or args.maxlen % WINDOW:
        parser.error(f"--maxlen is {args.maxlen}; expected a multiple of {WINDOW}")
    try:
        windows, classes, digests = read_split(args.split, args.labels.split(","), args.maxlen)
        trainer = train(windows, classes, args.epochs, args.batch, args.seed)
        save(trainer, args.maxlen, digests, args.out)
    except (InputError, OSError) as error:
        sys.exit(f"train_malconv: {error}")
    print(f"train accuracy {accuracy(trainer, windows, classes, args.batch):.3f} on {len(windows)} files: {args.out}")


if __name__ == "__main__":
    main()
