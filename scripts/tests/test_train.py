"""Training end to end on small files that one byte pattern tells apart."""

import csv
import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest

import convert_savedmodel
import malconv
import train_malconv

LABELS = ("left", "right")
MAXLEN = 4000


@pytest.fixture
def split(tmp_path):
    """Writes 40 files of random bytes, each with two runs that give away its label, and the split that lists them."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(40):
        label = LABELS[i % 2]
        content = rng.integers(0, 256, rng.integers(1000, 6000), np.uint8)
        content[200:240] = content[700:740] = 10 if label == "left" else 200
        path = tmp_path / f"{i}.exe"
        path.write_bytes(content.tobytes())
        rows.append((path.name, label, "2017-01", str(path)))
    write(tmp_path / "2017-fit.csv", rows)
    return tmp_path / "2017-fit.csv"


def write(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("name", "label", "first_seen", "path"), *rows])


@pytest.fixture
def run(command):
    return lambda split, out, *arguments: command(train_malconv, split, out, "--labels", ",".join(LABELS), "--maxlen", MAXLEN, *arguments)


def test_end_to_end(split, tmp_path, run):
    outs = [tmp_path / name for name in ("a.keras", "b.keras")]
    for out in outs:
        done = run(split, out, "--seed", "5", "--epochs", "40", "--batch", "8")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("train accuracy 1.000 "), done.stdout

    one, same = ([weight.numpy() for weight in keras.models.load_model(out).weights] for out in outs)
    assert all(np.array_equal(x, y) for x, y in zip(one, same))

    files = sorted(split.parent.glob("*.exe"))
    digests = [hashlib.sha256(file.read_bytes()[:MAXLEN]).hexdigest() for file in files]
    assert Path(f"{outs[0]}.trained_on.sha256").read_text().split() == sorted(digests)

    _, differences = convert_savedmodel.convert(outs[0], tmp_path / "saved")
    assert max(max(row.values()) for row in differences.values()) <= 1e-5
    assert (tmp_path / "saved/assets.extra/trained_on.sha256").read_text().split() == sorted(digests)


def test_step_has_the_gradient_of_the_whole_model(split):
    """Windows that repeat or hold no maximum may be left out: plain Keras comes to the same loss and the same step."""
    windows, classes, _ = train_malconv.read_split(split, LABELS, MAXLEN)
    keras.utils.set_random_seed(1)
    trainer = train_malconv.Trainer(len(LABELS), keras.optimizers.SGD(1000.0))
    whole = malconv.build(len(LABELS), MAXLEN)
    whole.set_weights(trainer.model.get_weights())
    whole.compile(keras.optimizers.SGD(1000.0), "sparse_categorical_crossentropy")
    before = whole.get_weights()

    with open(split, newline="") as file:
        contents = [Path(row["path"]).read_bytes()[:MAXLEN] for row in csv.DictReader(file)]
    data = np.stack([np.frombuffer(content.ljust(MAXLEN, b"\0"), np.uint8) for content in contents]).astype(np.int32)
    expected = whole.train_on_batch(data, classes)
    loss = trainer.step(*train_malconv.join(windows), classes.astype(np.int32))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for start, got, want in zip(before, trainer.model.get_weights(), whole.get_weights()):
        assert np.abs(want - start).max() > 0
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want - start).max()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("a", "up", "2017-01", "a.exe")], "bad.csv:2: label 'up'; expected one of left, right"),
        ([("a", "left", "2017-01", "no.exe")], "bad.csv:2: .*No such file.*no.exe"),
        ([], "bad.csv has no row with label 'left'; expected files of every class"),
    ],
)
def test_bad_split(rows, sentence, tmp_path):
    write(tmp_path / "bad.csv", rows)
    with pytest.raises(train_malconv.InputError, match=sentence):
        train_malconv.read_split(tmp_path / "bad.csv", LABELS, MAXLEN)


def test_command_refuses_in_one_line(split, tmp_path, run):
    split.write_text("name,path\n")
    refused = run(split, tmp_path / "out.keras")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"train_malconv: {split} has no column 'label'; expected what driftbench splits writes\n"
    assert sorted(tmp_path.glob("out*")) == []
