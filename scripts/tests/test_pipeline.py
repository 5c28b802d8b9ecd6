"""The whole way, from files on disk to numbers, against Keras, pandas and scikit-learn.

The files are the Windows launchers that pip and setuptools carry: real
programs, most of them longer than the model's input here, each with some bytes
of overlay so that no two are equal.
"""

import csv
import hashlib
import json
import random
import subprocess
import sysconfig
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import roc_auc_score

import convert_savedmodel
import malconv

ROOT = Path(__file__).resolve().parents[2]
DRIFTBENCH = ROOT / "bin" / "driftbench"
LABELS = ["trojan", "virus", "worm", "backdoor"]
MAXLEN = 100_000
TESTS = {"2018-Q1": 0.3, "2018-late": 0.3, "2019": 0.3}


def run(*args):
    done = subprocess.run([DRIFTBENCH, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def programs():
    found = sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.exe"))
    content = {p.read_bytes() for p in found}
    assert len(content) >= 6, "pip carries Windows launchers; they are gone"
    return sorted(content)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, programs):
    """320 files over three years, in the shape of the original notebook's index."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(5)
    with open(folder / "dataset.csv", "w", newline="") as f:
        index = csv.writer(f)
        index.writerow(["first_seen", "size", "label", "name"])
        for i in range(320):
            body = rng.choice(programs) + rng.randbytes(rng.randrange(1, 40_000))
            year = 2017 if i < 140 else 2018 if i < 250 else 2019
            month = rng.randrange(1, 4) if 140 <= i < 190 else rng.randrange(1, 13)
            name = f"{i:03d}.exe"
            (folder / name).write_bytes(body)
            index.writerow([f"{year}-{month:02d}-11 10:00:00", len(body), LABELS[i % 4], f"dataset/{name}"])
        index.writerow(["2017-05-01", 1, "worm", "dataset/gone.exe"])
    (folder / "corpus.yaml").write_text("trim: dataset/\n")
    return folder


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    net = malconv.build(len(LABELS), maxlen=MAXLEN)
    # Two dead features: MalConv's ReLU makes them, and the covariance is singular with them.
    weights = net.get_layer("conv").get_weights()
    weights[0][..., [5, 77]] = 0
    weights[1][[5, 77]] = -1
    net.get_layer("conv").set_weights(weights)
    return net


@pytest.fixture(scope="module")
def folder(tmp_path_factory, network):
    """Holds the converted network, and then the outputs of each engine."""
    folder = tmp_path_factory.mktemp("run")
    network.save(folder / "net.keras")
    convert_savedmodel.convert(folder / "net.keras", folder / "model")
    return folder


@pytest.fixture(scope="module", params=["table", "tensorflow"])
def out(request, folder, corpus):
    run("run", "--corpus", corpus, "--model", folder / "model", "--out", folder / request.param,
        "--engine", request.param, "--cache", "none", "--resamples", 50)
    return folder / request.param


def expected_splits(corpus):
    """The notebook's pandas code: shuffle 2017, cut it, draw from the later spans."""
    index = pd.read_csv(corpus / "dataset.csv")
    month = index.first_seen.str[:7]
    train = index[month.between("2017-01", "2017-12")].sample(frac=1, random_state=1)
    fit = round(0.7123 * len(train))
    splits = {"2017-fit": train[:fit], "2017-val": train[fit:]}
    for name, (first, last) in {"2018-Q1": ("2018-01", "2018-03"), "2018-late": ("2018-04", "2018-12"),
                                "2019": ("2019-01", "2019-12")}.items():
        splits[name] = index[month.between(first, last)].sample(frac=TESTS[name], random_state=1)
    return {name: rows[rows.name != "dataset/gone.exe"] for name, rows in splits.items()}


def features(out, split, layer):
    return np.load(out / "features" / f"{split}.{layer}.npy")


def scores(out, split, detector):
    return pd.read_csv(out / "scores" / f"{split}.csv")[detector].to_numpy()


def test_rows_are_those_of_pandas(out, corpus):
    for name, rows in expected_splits(corpus).items():
        got = pd.read_csv(out / "features" / f"{name}.csv")
        assert list(got.name) == list(rows.name)
        assert list(got.label) == list(rows.label)


def test_a_missing_file_is_dropped_with_its_label_and_named(out):
    dropped = json.loads((out / "manifest.json").read_text())["dropped"]
    assert [(d["label"], d["line"]) for d in dropped] == [("worm", 322)]
    assert "gone.exe" in dropped[0]["name"]


def test_features_equal_keras(out, corpus, network):
    outputs = keras.Model(network.input, [network.get_layer("layer7").output, network.get_layer("layer8").output])
    for name, rows in expected_splits(corpus).items():
        x = np.zeros((len(rows), MAXLEN), np.int32)
        digests = []
        for i, file in enumerate(rows.name.str.removeprefix("dataset/")):
            head = (corpus / file).read_bytes()[:MAXLEN]
            x[i, : len(head)] = np.frombuffer(head, np.uint8)
            digests.append(hashlib.sha256(head).hexdigest())
        assert list(pd.read_csv(out / "features" / f"{name}.csv").sha256) == digests
        for layer, want in zip(["layer7", "layer8"], outputs.predict(x, batch_size=16, verbose=0)):
            got = features(out, name, layer)
            assert got.dtype == np.float32 and got.shape == want.shape
            assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("layer", ["layer7", "layer8"])
def test_scores_equal_scikit_learn(out, corpus, layer):
    fit = features(out, "2017-fit", layer).astype(float)
    labels = pd.read_csv(out / "features" / "2017-fit.csv").label.to_numpy()
    means = np.array([fit[labels == c].mean(axis=0) for c in LABELS])
    centred = fit - means[[LABELS.index(c) for c in labels]]
    if layer == "layer7":
        assert (fit.std(axis=0) == 0).sum() >= 2, "the dead features came alive"
    cov = EmpiricalCovariance(assume_centered=False).fit(centred)
    table = {split: pd.read_csv(out / "features" / f"{split}.csv") for split in ["2017-fit", "2017-val", *TESTS]}
    for split in ["2017-val", *TESTS]:
        x = features(out, split, layer).astype(float)
        if split == "2017-val":  # what the model sees of a fit file is not held out
            x = x[~table[split].sha256.isin(table["2017-fit"].sha256)]
        want = np.max([-0.5 * np.einsum("ij,jk,ik->i", x - m, cov.precision_, x - m) for m in means], axis=0)
        np.testing.assert_allclose(scores(out, split, f"mahalanobis/{layer}"), want, rtol=1e-6)


def test_auroc_equals_scikit_learn(out):
    results = json.loads((out / "results.json").read_text())
    seen = 0
    for detector in results["detectors"]:
        for split in detector.get("splits") or []:
            pos, neg = scores(out, "2017-val", detector["name"]), scores(out, split["split"], detector["name"])
            want = roc_auc_score(np.r_[np.ones(len(pos)), np.zeros(len(neg))], np.r_[pos, neg])
            assert split["auroc"] == pytest.approx(want, abs=1e-9)
            assert split["auroc_lo"] <= split["auroc"] <= split["auroc_hi"]
            seen += 1
    assert seen >= 3 * len(TESTS)


def test_confidence_files_are_the_scores(out):
    for g, layer in enumerate(["layer7", "layer8"]):
        for name, split in {"In": "2017-val", **{f"Out_{t}": t for t in TESTS}}.items():
            lines = np.loadtxt(out / "scores" / f"confidence_Ga{g}_{name}.txt")
            assert np.array_equal(lines, scores(out, split, f"mahalanobis/{layer}"))


def test_scoring_kept_features_gives_the_same_numbers(out, corpus, tmp_path):
    run("score", "--features", out / "features", "--out", tmp_path, "--corpus-config", corpus / "corpus.yaml", "--resamples", 50)
    first, again = (json.loads((d / "results.json").read_text()) for d in (out, tmp_path))
    assert again["detectors"] == first["detectors"]
    assert again["classifier"] == first["classifier"]


def test_a_second_run_is_the_same_byte_for_byte(out, corpus, tmp_path):
    run("run", "--corpus", corpus, "--model", out.parent / "model", "--out", tmp_path,
        "--engine", out.name, "--cache", "none", "--resamples", 50)
    assert (tmp_path / "results.json").read_bytes() == (out / "results.json").read_bytes()
