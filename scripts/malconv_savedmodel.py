"""A MalConv as the TensorFlow functions of a SavedModel.

The stride of MalConv's convolutions equals their kernel, so that they are one
matrix product over windows laid side by side:

    [n * windows, W * E] x [W * E, 2F]

An embedded position is a symbol (a byte or the pad symbol) or void: outside
the file's maxlen positions, where "same" padding puts zeros in place of an
embedding. Void is looked up as one more row of the embedding, all zero.
"""

import tensorflow_setup  # noqa: F401  (first)

import keras
import tensorflow as tf


class MalConvModule(tf.Module):
    """The signatures of a converted MalConv. Shapes are named as in malconv_graph.MalConv."""

    def __init__(self, malconv):
        super().__init__()
        self.malconv = malconv
        for name in ("embedding", "conv_kernel", "conv_bias", "dense_kernel", "dense_bias", "logits_kernel", "logits_bias"):
            setattr(self, name, tf.Variable(getattr(malconv, name), trainable=False, name=name))

    def save(self, path):
        """Writes the SavedModel."""

        def spec(name, dtype, *shape):
            return tf.TensorSpec(shape, dtype, name)

        m = self.malconv
        signatures = {
            "serving_default": tf.function(self.serve, autograph=False).get_concrete_function(
                spec("bytes", tf.uint8, None, m.maxlen), spec("length", tf.int32, None)
            ),
            "windows": tf.function(self.pool_windows, autograph=False).get_concrete_function(
                spec("windows", tf.uint8, None, m.window),
                *(spec(name, tf.int32, None) for name in ("lead", "length", "end", "index", "segment")),
                spec("files", tf.int32),
            ),
            "weights": tf.function(self.weights, autograph=False).get_concrete_function(),
        }
        tf.saved_model.save(self, str(path), signatures)

    def serve(self, bytes, length):
        """Features of whole files.

        bytes is uint8 [n, maxlen], length int32 [n]; what lies in bytes from
        length on is not read. The pad symbol follows the bytes or, in a model with
        padding in front, comes before them, up to maxlen positions.
        """
        m = self.malconv
        index = tf.range(m.maxlen) + tf.zeros_like(length)[:, tf.newaxis]  # of the byte at each position
        values = tf.cast(bytes, tf.int32)
        if m.padding == "front":
            index -= tf.maximum(m.maxlen - length, 0)[:, tf.newaxis]
            values = tf.gather(values, tf.maximum(index, 0), batch_dims=1)
        inside = (index >= 0) & (index < length[:, tf.newaxis])
        symbols = tf.where(inside, values, m.pad)[:, : m.windows * m.window]
        void = m.windows * m.window - m.maxlen
        if void > 0:
            symbols = tf.pad(symbols, [[0, 0], [m.lead, void - m.lead]], constant_values=m.vocabulary)
        activations = self._activations(tf.reshape(symbols, [-1, m.window]))
        filters = activations.shape[-1]
        return self._head(tf.reduce_max(tf.reshape(activations, [-1, m.windows, filters]), axis=1))

    def pool_windows(self, windows, lead, length, end, index, segment, files):
        """Features of files that are given as sets of windows, each distinct window once.

        windows is uint8 [m, W]; lead, length and end are int32 [m] and say what
        the positions p of a window are:

            p < lead                      void
            lead <= p < lead + length     the byte windows[p]
            lead + length <= p < end      the pad symbol
            end <= p                      void

        with lead + length <= end <= W; in a model with padding in front, the pad
        symbols come first and the bytes are those at end - length <= p < end.
        Other bytes are not read. index is int32 [k], rows of windows: those of the first file,
        then of the second, and so on; segment is int32 [k], the number of the
        file that each belongs to, ascending from 0 to files-1, where every
        file has one window at least. A file's features need each of its
        distinct windows once, as the largest value does not count.
        """
        position = tf.range(self.malconv.window)
        lead, length, end = (each[:, tf.newaxis] for each in (lead, length, end))
        inside = position >= end - length if self.malconv.padding == "front" else position < lead + length
        symbols = tf.where(inside, tf.cast(windows, tf.int32), self.malconv.pad)
        symbols = tf.where((position < lead) | (position >= end), self.malconv.vocabulary, symbols)
        activations = tf.gather(self._activations(symbols), index)
        return self._head(tf.math.unsorted_segment_max(activations, segment, files))

    def weights(self):
        """The weights, for an engine of another kind. The gate's filters come last in conv_kernel."""
        return {
            "embedding": tf.identity(self.embedding),
            "conv_kernel": tf.identity(self.conv_kernel),
            "conv_bias": tf.identity(self.conv_bias),
            "dense_kernel": tf.identity(self.dense_kernel),
            "dense_bias": tf.identity(self.dense_bias),
            "logits_kernel": tf.identity(self.logits_kernel),
            "logits_bias": tf.identity(self.logits_bias),
        }

    def _activations(self, symbols):
        """Gated activations [m, F] of the windows symbols [m, W]; vocabulary stands for void."""
        m = self.malconv
        size, width = self.conv_kernel.shape[0] * self.conv_kernel.shape[1], self.conv_kernel.shape[2]
        table = tf.concat([self.embedding, tf.zeros([1, self.embedding.shape[1]])], axis=0)
        embedded = tf.reshape(tf.gather(table, symbols), [-1, size])
        product = tf.matmul(embedded, tf.reshape(self.conv_kernel, [size, width])) + self.conv_bias
        conv, gate = tf.split(product, 2, axis=-1)
        return _apply(m.merge_activation, _apply(m.conv_activation, conv) * _apply(m.gate_activation, gate))

    def _head(self, layer7):
        m = self.malconv
        layer8 = _apply(m.dense_activation, tf.matmul(layer7, self.dense_kernel) + self.dense_bias)
        logits = tf.matmul(layer8, self.logits_kernel) + self.logits_bias
        return {"layer7": layer7, "layer8": layer8, "logits": logits, "probs": _apply(m.probs, logits)}


def _apply(activation, x):
    return keras.activations.get(activation)(x)
