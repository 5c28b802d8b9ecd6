import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow_setup  # noqa: E402, F401  (before a test imports TensorFlow)
