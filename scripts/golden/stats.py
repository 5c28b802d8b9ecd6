"""Makes the golden numbers that the tests of package stats compare with.

    pip install -r scripts/requirements/golden.txt
    python scripts/golden/stats.py stats/testdata

Every number comes from a reference: scikit-learn's covariance, metrics and
logistic regression, SciPy's pinvh, pytorch-ood's detectors and metrics. Where
pytorch-ood computes in float32 or adds a ridge (Mahalanobis, RMD, ViM), the
definition is written out in NumPy's float64 here and held against it loosely.
DeLong's variance, Lee's TNR and everything that counts groups are plain NumPy too.
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

        k = min(50, max(1, np.bincount(classes).min() // 5))
        knn = KNN(None, k=int(k)).fit_features(torch.tensor(x), torch.tensor(classes))
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
    """Of every In score among the Out scores, and one minus that of every Out score among the In scores."""
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


def contributions(v, groups):
    """Every group's c_g, the jackknife variance and degrees of freedom of the mean of v."""
    ids, w = np.unique(groups, return_counts=True)
    w, k = w / len(v), len(ids)
    c = {g: np.sqrt((k - 1) / k) * (v[groups == g] - v.mean()).sum() / len(v) / (1 - wg) for g, wg in zip(ids, w)}
    k_eff = 1 / (w**2).sum()
    return c, sum(x**2 for x in c.values()), np.sqrt((k - 1) * (k_eff - 1)), k_eff


def combine(sides):
    """Variance and degrees of freedom of a sum of means."""
    ids = set().union(*(c for c, *_ in sides))
    variance = sum(sum(c.get(g, 0) for c, *_ in sides) ** 2 for g in ids)
    if len(ids) < sum(len(c) for c, *_ in sides):  # a group is in several
        return variance, min(df for _, _, df, *_ in sides)
    return variance, sum(v for _, v, *_ in sides) ** 2 / sum(v**2 / df for _, v, df, *_ in sides)


def logit_interval(a, variance, df):
    half = scipy.stats.t.ppf(0.975, df) * np.sqrt(variance) / (a * (1 - a))
    return scipy.special.expit(scipy.special.logit(a) + np.array([-half, half])).tolist()


def null_band(i, o, gi, go):
    """Standard deviation of the AUROC without drift, and its degrees of freedom."""
    ssb = ssw = dfb = dfw = spread = 0
    for s, g in ((i, gi), (o, go)):
        r = (scipy.stats.rankdata(s) - 0.5) / len(s) - 0.5
        for own in (r[g == x] for x in np.unique(g)):
            ssb += own.sum() ** 2 / len(own)
            ssw += ((own - own.mean()) ** 2).sum()
            spread -= len(own) ** 2 / len(s)
        spread += len(s)
        dfb += len(np.unique(g)) - 1
        dfw += len(s) - len(np.unique(g))
    msb, msw, m0 = ssb / dfb, ssw / dfw if dfw else 0, spread / dfb
    rho = min(1, max(0, (msb - msw) / (msb + (m0 - 1) * msw))) if dfw else 0
    _, ties = np.unique(np.concatenate([i, o]), return_counts=True)
    total = len(i) + len(o)
    u = (total + 1 - (ties**3 - ties).sum() / (total * (total - 1))) / (12 * len(i) * len(o))
    apart = sum(((gi == g).mean() - (go == g).mean()) ** 2 for g in np.unique(np.concatenate([gi, go])))
    return np.sqrt(u * (1 - rho + rho * apart / (1 / len(i) + 1 / len(o)))), dfb


def grouped(rng, name, i, gi, o, go):
    v_in, v_out = placements(i, o)
    a, sides = v_in.mean(), [contributions(v_in, gi), contributions(v_out, go)]
    variance, df = combine(sides)
    files = [v.var(ddof=1) / len(v) for v in (v_in, v_out)]
    sd, band_df = null_band(i, o, gi, go)
    p_band = 2 * scipy.stats.t.sf(abs(a - 0.5) / sd, band_df)
    case = {
        "name": name, "in": i.tolist(), "groups_in": gi.tolist(), "out": o.tolist(), "groups_out": go.tolist(),
        "auroc": a, "variance": variance, "df": df, "interval": logit_interval(a, variance, df),
        "band": (0.5 + scipy.stats.t.ppf(0.975, band_df) * sd * np.array([-1, 1])).clip(0, 1).tolist(), "p_band": p_band,
        "p": max(p_band, 2 * scipy.stats.t.sf(abs(a - 0.5) / np.sqrt(variance), df)),
        "effective_groups": [k_eff for *_, k_eff in sides], "design_effect": variance / sum(files),
        "effective_files": [len(s) * f / v for s, f, (_, v, *_) in zip((i, o), files, sides)],
    }

    def difference(value, sides):
        variance, df = combine(sides)
        half = scipy.stats.t.ppf(0.975, df) * np.sqrt(variance)
        return {"value": value, "variance": variance, "lo": max(-1, value - half), "hi": min(1, value + half),
                "p": 2 * scipy.stats.t.sf(abs(value) / np.sqrt(variance), df)}

    in_b, out_b = i + rng.normal(size=len(i)), o + rng.normal(size=len(o))
    w_in, w_out = placements(in_b, out_b)
    case |= {"in_b": in_b.tolist(), "out_b": out_b.tolist()}
    case["detectors"] = difference(a - w_in.mean(), [contributions(v_in - w_in, gi), contributions(v_out - w_out, go)])
    # A later split, with some groups of its own.
    later = go.max() + 1 - rng.integers(0, 6, size=len(o))
    w_in, w_out = placements(i, out_b)
    case["groups_later"] = later.tolist()
    case["splits"] = difference(a - w_in.mean(), [contributions(v_in - w_in, gi), contributions(v_out, go),
                                                  contributions(-w_out, later)])

    class_in, class_out = np.arange(len(i)) % 2, np.arange(len(o)) % 2
    mean, c_in, c_out, w = 0, {}, {}, [{}, {}]
    for c in range(2):
        v = placements(i[class_in == c], o[class_out == c])
        mean += v[0].mean() / 2
        for side, (v, g, total) in enumerate(((v[0], gi[class_in == c], c_in), (v[1], go[class_out == c], c_out))):
            for x, value in contributions(v, g)[0].items():
                total[x] = total.get(x, 0) + value / 2
                w[side][x] = w[side].get(x, 0) + (g == x).mean() / 2
    sides = [(c, sum(x**2 for x in c.values()), np.sqrt((len(c) - 1) * (1 / sum(x**2 for x in w[side].values()) - 1)))
             for side, c in enumerate((c_in, c_out))]
    case["balanced"] = [mean, *logit_interval(mean, *combine(sides))]

    case["threshold"] = np.quantile(o, 0.3)
    hit = o < case["threshold"]
    _, v, df, _ = contributions(hit.astype(float), go)
    n = len(o) / max(1, v / (hit.var(ddof=1) / len(o))) * (scipy.stats.norm.ppf(0.975) / scipy.stats.t.ppf(0.975, df)) ** 2
    p, z = hit.mean(), scipy.stats.norm.ppf(0.975)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    case["share"] = [p, *((p + z**2 / (2 * n) + np.array([-half, half])) / (1 + z**2 / n)).tolist()]
    return case


def in_groups(rng, sizes, rho, mean, first):
    """Scores whose groups share a part of them, and their groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return (mean + np.sqrt(rho) * rng.normal(size=len(sizes))[groups] + np.sqrt(1 - rho) * rng.normal(size=len(groups))), groups + first


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
    heavy = lambda n: np.minimum(40, (1 / (1 - rng.random(n))).astype(int))
    golden["grouped"] = [
        grouped(rng, "groups of one size", *in_groups(rng, [8] * 10, 0.5, 0.7, 0), *in_groups(rng, [8] * 12, 0.5, 0, 50)),
        grouped(rng, "groups of many sizes", *in_groups(rng, heavy(40), 0.4, 0.3, 0), *in_groups(rng, heavy(25), 0.6, 0, 100)),
        grouped(rng, "groups on both sides", *in_groups(rng, heavy(30), 0.5, 0.4, 0), *in_groups(rng, [4] * 20, 0.5, 0, 15)),
        grouped(rng, "ties", *(x.round() for x in in_groups(rng, [6] * 9, 0.3, 1, 0)), *(x.round() for x in in_groups(rng, [9] * 7, 0.3, 0, 50))),
        grouped(rng, "single files on one side", *in_groups(rng, [1] * 60, 0.0, 0.2, 0), *in_groups(rng, [10, 1, 5, 7], 0.8, 0, 100)),
    ]
    for name, content in golden.items():
        path = Path(folder) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"versions": VERSIONS, "cases": content}, separators=(",", ":")) + "\n")
        print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
