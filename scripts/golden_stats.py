"""Makes the golden numbers that the tests of package stats compare with.

    pip install -r scripts/requirements/golden.txt
    python scripts/golden_stats.py stats/testdata

Every number comes from a reference: scikit-learn's covariance, metrics and
logistic regression, SciPy's pinvh, pytorch-ood's detectors and metrics. Where
pytorch-ood computes in float32 or adds a ridge (Mahalanobis, RMD, ViM), the
definition is written out in NumPy's float64 here and held against it loosely.
DeLong's variance and Lee's TNR are plain NumPy too.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from pytorch_ood.detector import KNN, RMD, EnergyBased, Mahalanobis, MaxLogit, MaxSoftmax, ViM
from pytorch_ood.metrics.functional import fpr_at_tpr
from sklearn.covariance import EmpiricalCovariance
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import (accuracy_score, average_precision_score, confusion_matrix, f1_score,
                             roc_auc_score, roc_curve)
from sklearn.preprocessing import normalize

VERSIONS = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "torch", "pytorch-ood")}


def tied(x, classes):
    """Class means and the tied covariance, as in Lee et al.'s code."""
    means = np.stack([x[classes == c].mean(axis=0) for c in range(classes.max() + 1)])
    covariance = EmpiricalCovariance(assume_centered=False).fit(x - means[classes])
    return means, covariance


def mahalanobis(means, covariance, x):
    """max_c -1/2 (x-mu_c)' P (x-mu_c)."""
    squared = [np.einsum("ij,jk,ik->i", x - m, covariance.precision_, x - m) for m in means]
    return -0.5 * np.min(squared, axis=0)


def vim(x, z, test, test_z):
    """ViM with the last layer read off the rows by least squares of shortest length."""
    centred = x - x.mean(axis=0)
    w = (np.linalg.pinv(centred, rcond=x.shape[1] * 2.0**-24) @ (z - z.mean(axis=0))).T
    b = z.mean(axis=0) - w @ x.mean(axis=0)
    origin = -np.linalg.pinv(w) @ b
    # The eigenvectors of the second moment, but without squaring: the mean is far larger than the spread.
    _, singular, rows = np.linalg.svd(x - origin, full_matrices=False)
    rank = int((singular**2 > singular.max() ** 2 * len(singular) * np.finfo(float).eps).sum())
    residual = rows[rank // 2 :].T
    alpha = z.max(axis=1).mean() / np.linalg.norm((x - origin) @ residual, axis=1).mean()
    score = scipy.special.logsumexp(test_z, axis=1) - alpha * np.linalg.norm((test - origin) @ residual, axis=1)

    if abs(x).max() < 50:  # float32 cancels far from the origin
        theirs = ViM(None, d=rank // 2, w=torch.tensor(w), b=torch.tensor(b))
        theirs.fit_features(torch.tensor(x), torch.zeros(len(x)))
        theirs = -theirs.predict_features(torch.tensor(test)).numpy()
        np.testing.assert_allclose(theirs, score, rtol=1e-3, atol=1e-3)
    return score


def features(rng, name, sizes, d, rows=24):
    """Two layers and logits of fit rows, In rows and Out rows, float32."""
    classes = np.concatenate([np.full(n, c) for c, n in enumerate(sizes)])
    rng.shuffle(classes)
    mixing = [rng.normal(size=(d, d)) / np.sqrt(d) + np.eye(d) for _ in range(2)]
    centres = [rng.normal(size=(len(sizes), d)) * 2 for _ in range(2)]
    head = rng.normal(size=(len(sizes), d))

    def draw(classes, shift):
        layers = []
        for mix, centre in zip(mixing, centres):
            x = centre[classes] + rng.normal(size=(len(classes), d)) @ mix + shift
            if name == "dead and duplicated":
                x[:, 1] = 0
                x[:, 3] = 0.3
                x[:, 4] = x[:, 0]
            if name == "large mean":
                x = 0.01 * x + 100
            layers.append(x.astype(np.float32).astype(float))
        weights = head * ([1, 0, 1, 0, 1] + [1] * (d - 5)) if name == "dead and duplicated" else head
        logits = layers[1] @ weights.T + np.arange(len(sizes))
        return {"layer7": layers[0], "layer8": layers[1], "logits": logits.astype(np.float32).astype(float)}

    of = lambda n: rng.integers(len(sizes), size=n)
    return classes, draw(classes, 0), draw(of(rows), 0), draw(of(rows), 1)


def detectors(rng, name, sizes, d):
    classes, fit, held_out, out = features(rng, name, sizes, d)
    expected, layer_scores, gaussians = {}, {"in": [], "out": []}, {}
    for layer in ("layer7", "layer8"):
        x, test = fit[layer], out[layer]
        means, covariance = tied(x, classes)
        expected[f"mahalanobis/{layer}"] = mahalanobis(means, covariance, test)
        layer_scores["in"].append(mahalanobis(means, covariance, held_out[layer]))
        layer_scores["out"].append(expected[f"mahalanobis/{layer}"])
        precision, rank = scipy.linalg.pinvh(covariance.covariance_, return_rank=True)
        np.testing.assert_allclose(precision, covariance.precision_, rtol=1e-9, atol=1e-9 * abs(precision).max())
        gaussians[layer] = {"rank": int(rank), "precision": precision.tolist(), "means": means.tolist()}

        background = EmpiricalCovariance().fit(x)
        expected[f"rmd/{layer}"] = 2 * expected[f"mahalanobis/{layer}"] + background.mahalanobis(test)

        unit_means, unit_covariance = tied(normalize(x), classes)
        expected[f"mahalanobis++/{layer}"] = mahalanobis(unit_means, unit_covariance, normalize(test))

        knn = KNN(None, k=50).fit_features(torch.tensor(x), torch.tensor(classes))
        expected[f"knn/{layer}"] = -knn.predict_features(torch.tensor(test)).numpy()

        if name == "normal":  # pytorch-ood: scatter in place of covariance, a ridge, float32
            t = torch.tensor(x).float(), torch.tensor(classes)
            theirs = -Mahalanobis(None).fit_features(*t).predict_features(torch.tensor(test).float()).numpy()
            np.testing.assert_allclose(theirs * len(x), expected[f"mahalanobis/{layer}"], rtol=1e-3)
            theirs = -RMD(None).fit_features(*t).predict_features(torch.tensor(test).float()).numpy()
            np.testing.assert_allclose(theirs * len(x), expected[f"rmd/{layer}"], rtol=1e-2, atol=1e-2)

    in_scores, out_scores = np.stack(layer_scores["in"], 1), np.stack(layer_scores["out"], 1)
    expected["mahalanobis/ensemble"] = np.mean(
        [scipy.stats.percentileofscore(i, o, kind="mean") / 100 for i, o in zip(in_scores.T, out_scores.T)], axis=0)
    both = np.concatenate([in_scores, out_scores])
    label = np.repeat([0, 1], [len(in_scores), len(out_scores)])
    chosen = LogisticRegressionCV(Cs=10, cv=5, scoring="accuracy", solver="lbfgs", max_iter=10000,
                                  use_legacy_attributes=False, l1_ratios=(0,)).fit(both, label)
    regression = LogisticRegression(C=float(chosen.C_), solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(both, label)
    expected["mahalanobis/ensemble-out-labels"] = -regression.predict_proba(out_scores)[:, 1]

    expected["vim"] = vim(fit["layer8"], fit["logits"], out["layer8"], out["logits"])
    z = torch.tensor(out["logits"])
    expected["msp"] = -MaxSoftmax.score(z).numpy()
    expected["maxlogit"] = -MaxLogit.score(z).numpy()
    expected["energy"] = -EnergyBased.score(z).numpy()
    as_lists = lambda rows: {k: v.astype(np.float32).tolist() for k, v in rows.items()}
    return {
        "name": name, "classes": classes.tolist(), "fit": short(as_lists(fit)), "in": short(as_lists(held_out)),
        "out": short(as_lists(out)), "gaussians": gaussians, "scores": {k: v.tolist() for k, v in expected.items()},
    }


def short(layers):
    """float32 values in the fewest digits that read back the same."""
    return {k: [[float(str(np.float32(v))) for v in row] for row in rows] for k, rows in layers.items()}


def placements(i, o):
    pairs = (o[None, :] < i[:, None]) + 0.5 * (o[None, :] == i[:, None])
    return pairs.mean(axis=1), pairs.mean(axis=0)


def delong(a_in, a_out, b_in=None, b_out=None):
    """DeLong's variance of an AUROC, or of the difference of two, from all pairs."""
    v_in, v_out = placements(a_in, a_out)
    if b_in is not None:
        w_in, w_out = placements(b_in, b_out)
        v_in, v_out = v_in - w_in, v_out - w_out
    return v_in.mean(), v_in.var(ddof=1) / len(v_in) + v_out.var(ddof=1) / len(v_out)


def lee_tnr(i, o):
    """1-FPR where TPR is nearest to 0.95, rejecting one file after the other."""
    scores, is_in = np.concatenate([i, o]), np.repeat([1, 0], [len(i), len(o)])
    order = np.argsort(scores, kind="stable")
    tp = len(i) - np.concatenate([[0], np.cumsum(is_in[order])])
    fp = len(o) - np.concatenate([[0], np.cumsum(1 - is_in[order])])
    return 1 - fp[np.abs(tp / len(i) - 0.95).argmin()] / len(o)


def ranking(rng, name, i, o):
    y, s = np.repeat([1, 0], [len(i), len(o)]), np.concatenate([i, o])
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    case = {
        "name": name, "in": i.tolist(), "out": o.tolist(),
        "auroc": roc_auc_score(y, s), "variance": delong(i, o)[1],
        "metrics": {
            "AUROC": roc_auc_score(y, s),
            "AUPR-In": average_precision_score(y, s),
            "AUPR-Out": average_precision_score(1 - y, -s),
            "FPR@95TPR": fpr[tpr >= 0.95][0],
            "FPR@95TPR-Out": fpr_at_tpr(torch.tensor(-s), torch.tensor(np.where(y == 1, 0, -1))).item(),
            "DTACC": (0.5 * (tpr + 1 - fpr)).max(),
        },
    }
    if len(np.unique(s)) == len(s):  # Lee's walk splits ties
        case["metrics"]["TNR@TPR95"] = lee_tnr(i, o)
    if 0 < case["auroc"] < 1 and case["variance"] > 0:
        case["p"] = scipy.stats.brunnermunzel(i, o, distribution="t").pvalue
        u = scipy.stats.mannwhitneyu(i, o, use_continuity=False, method="asymptotic")
        if abs(case["auroc"] - 0.5) > 0.01:  # U's deviation, from its p-value
            sd = abs(case["auroc"] - 0.5) / scipy.stats.norm.isf(u.pvalue / 2)
            case["null_half"] = scipy.stats.norm.ppf(0.975) * sd
    # A second detector on the same files, and a second split against the same In.
    case["in_b"], case["out_b"] = (i + rng.normal(size=len(i))).tolist(), (o + rng.normal(size=len(o))).tolist()
    case["delta"], case["delta_variance"] = delong(i, o, np.array(case["in_b"]), np.array(case["out_b"]))
    v, w = placements(i, o), placements(i, np.array(case["out_b"]))
    case["split_delta"] = v[0].mean() - w[0].mean()
    case["split_variance"] = ((v[0] - w[0]).var(ddof=1) / len(i) + v[1].var(ddof=1) / len(o) + w[1].var(ddof=1) / len(o))
    return case


def classifier(rng):
    truth = rng.choice(4, size=300, p=[0.6, 0.3, 0.09, 0.01])
    predicted = np.where(rng.random(300) < 0.8, truth, rng.integers(3, size=300))
    scores = rng.normal(size=300) + (truth == predicted)
    order = np.argsort(-scores)
    risk = np.cumsum((truth != predicted)[order]) / np.arange(1, 301)
    wilson = [[k, n, *scipy.stats.binomtest(k, n).proportion_ci(0.95, "wilson")] for k, n in
              ((0, 5), (5, 5), (1, 3), (297, 300), (50, 100))]
    def macro_f1(of):  # over the classes that files truly have
        return f1_score(truth[of], predicted[of], labels=np.unique(truth[of]), average="macro")

    return {
        "truth": truth.tolist(), "predicted": predicted.tolist(), "scores": scores.tolist(),
        "accuracy": accuracy_score(truth, predicted),
        "macro_f1": macro_f1(truth >= 0), "macro_f1_of_two": macro_f1(truth < 2),  # of four classes predicted
        "confusion": confusion_matrix(truth, predicted, labels=range(4)).tolist(), "aurc": risk.mean(), "wilson": wilson,
    }


def main(folder):
    rng = np.random.default_rng(20190101)
    golden = {
        "detectors": [
            detectors(rng, "normal", [40, 40, 40], 7),
            detectors(rng, "dead and duplicated", [40, 30, 30], 8),
            detectors(rng, "classes of very different size", [90, 20, 2], 6),
            detectors(rng, "large mean", [40, 40], 6),
        ],
        "ranking": [
            ranking(rng, "normal", rng.normal(size=120) + 0.8, rng.normal(size=90)),
            ranking(rng, "ties", rng.normal(size=120).round() + 1, rng.normal(size=90).round()),
            ranking(rng, "two Out files", rng.normal(size=200), rng.normal(size=2)),
            ranking(rng, "no drift", rng.normal(size=60), rng.normal(size=200)),
            ranking(rng, "close to separated", rng.normal(size=50) + 4, rng.normal(size=50)),
            ranking(rng, "separated", rng.random(30) + 1, rng.random(20)),
            ranking(rng, "constant", np.ones(30), np.ones(20)),
        ],
        "classifier": classifier(rng),
    }
    for name, content in golden.items():
        path = Path(folder) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"versions": VERSIONS, "cases": content}, separators=(",", ":")) + "\n")
        print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
