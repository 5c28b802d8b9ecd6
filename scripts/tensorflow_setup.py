"""Imports TensorFlow quietly and settles Keras on it; import it before either of them."""

import contextlib
import logging
import os
import warnings

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextlib.contextmanager
def _no_stderr():
    """TensorFlow's libraries greet on stderr as they load, before their log level is read."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


with _no_stderr():
    import tensorflow  # noqa: F401

logging.getLogger("absl").setLevel(logging.ERROR)
logging.getLogger("tensorflow").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module=r"keras\.")  # such as arguments that old models still carry
