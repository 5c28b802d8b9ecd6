package stats

// These tests compare with the reference libraries, by numbers that
// scripts/golden/stats.py made; their versions are in the files.

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// golden reads the cases of testdata/name.json.
func golden(t *testing.T, name string, cases any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &struct{ Cases any }{cases}); err != nil {
		t.Fatal(err)
	}
}

func matrix(rows [][]float32) Matrix {
	return Matrix{Rows: len(rows), Cols: len(rows[0]), Data: slices.Concat(rows...)}
}

func toFeatures(layers map[string][][]float32) Features {
	x := Features{}
	for layer, rows := range layers {
		x[layer] = matrix(rows)
	}
	return x
}

// near reports whether got is want to a relative tolerance.
func near(got, want, tol float64) bool {
	return math.Abs(got-want) <= tol*math.Abs(want)
}

func TestDetectorsAgainstReferences(t *testing.T) {
	var cases []struct {
		Name         string
		Classes      []int
		Fit, In, Out map[string][][]float32
		Gaussians    map[string]struct {
			Rank             int
			Precision, Means [][]float64
		}
		Scores map[string][]float64
	}
	golden(t, "detectors", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			d, err := Fit(Training{
				Layers: []string{"layer7", "layer8"}, Classes: c.Classes, NumClasses: slices.Max(c.Classes) + 1,
				Fit: toFeatures(c.Fit), In: toFeatures(c.In), Out: toFeatures(c.Out),
			})
			if err != nil {
				t.Fatal(err)
			}
			for layer, want := range c.Gaussians {
				g := d.Gaussian(layer)
				if g.Rank != want.Rank {
					t.Errorf("%s: rank %d, want %d", layer, g.Rank, want.Rank)
				}
				p := g.Precision()
				largest := 0.0
				for _, row := range want.Precision {
					for _, v := range row {
						largest = max(largest, math.Abs(v))
					}
				}
				for i, row := range want.Precision {
					for j, v := range row {
						if math.Abs(p.At(i, j)-v) > 1e-6*largest {
							t.Errorf("%s: precision[%d,%d] = %v, want %v", layer, i, j, p.At(i, j), v)
						}
					}
				}
				for k, row := range want.Means {
					for j, v := range row {
						if !near(g.Mean(k)[j], v, 1e-12) {
							t.Errorf("%s: mean[%d,%d] = %v, want %v", layer, k, j, g.Mean(k)[j], v)
						}
					}
				}
			}
			for _, name := range Names(d.Layers()) {
				want, ok := c.Scores[name]
				if !ok {
					t.Errorf("no reference for %s", name)
					continue
				}
				if err := d.Skipped(name); err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				got := make([]float64, len(want))
				if err := d.Score(got, name, toFeatures(c.Out)); err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if math.Abs(got[i]-want[i]) > 1e-7*math.Abs(want[i]) {
						t.Errorf("%s: row %d scores %v, want %v", name, i, got[i], want[i])
						break
					}
				}
			}
		})
	}
}

func TestRankingAgainstReferences(t *testing.T) {
	var cases []struct {
		Name            string
		In, Out         []float64
		AUROC, Variance float64
		P               *float64
		NullHalf        *float64 `json:"null_half"`
		Metrics         map[string]float64
		InB             []float64 `json:"in_b"`
		OutB            []float64 `json:"out_b"`
		Delta           float64
		DeltaVariance   float64 `json:"delta_variance"`
		SplitDelta      float64 `json:"split_delta"`
		SplitVariance   float64 `json:"split_variance"`
	}
	golden(t, "ranking", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			a := deLong(c.In, c.Out)
			if !near(a.Value, c.AUROC, 1e-9) || !near(a.Variance, c.Variance, 1e-9) {
				t.Errorf("AUROC %v, variance %v; want %v, %v", a.Value, a.Variance, c.AUROC, c.Variance)
			}
			if c.P != nil && !near(a.P, *c.P, 1e-9) {
				t.Errorf("p = %v, want %v", a.P, *c.P)
			}
			if c.NullHalf != nil && (!near(a.NullHi, min(1, 0.5+*c.NullHalf), 1e-6) || !near(a.NullLo, max(0, 0.5-*c.NullHalf), 1e-6)) {
				t.Errorf("null band [%v, %v], want 0.5 ± %v", a.NullLo, a.NullHi, *c.NullHalf)
			}
			for _, m := range Metrics(files(c.In), files(c.Out), Bootstrap{Resamples: 10}) {
				want, ok := c.Metrics[m.Name]
				if ok && !near(m.Value, want, 1e-9) {
					t.Errorf("%s = %v, want %v", m.Name, m.Value, want)
				}
				if !ok && m.Name != "TNR@TPR95" {
					t.Errorf("no reference for %s", m.Name)
				}
			}
			d := PairedDetectors(files(c.In), files(c.Out), c.InB, c.OutB)
			if !near(d.Value, c.Delta, 1e-9) || !near(d.Variance, c.DeltaVariance, 1e-9) {
				t.Errorf("detectors differ by %v, variance %v; want %v, %v", d.Value, d.Variance, c.Delta, c.DeltaVariance)
			}
			d = PairedSplits(files(c.In), files(c.Out), files(c.OutB))
			if !near(d.Value, c.SplitDelta, 1e-9) || !near(d.Variance, c.SplitVariance, 1e-9) {
				t.Errorf("splits differ by %v, variance %v; want %v, %v", d.Value, d.Variance, c.SplitDelta, c.SplitVariance)
			}
		})
	}
}

func TestGroupsAgainstReferences(t *testing.T) {
	type difference struct{ Value, Variance, Lo, Hi, P float64 }
	var cases []struct {
		Name                string
		In, Out             []float64
		GroupsIn            []int `json:"groups_in"`
		GroupsOut           []int `json:"groups_out"`
		AUROC, Variance, DF float64
		Interval, Band      [2]float64
		P                   float64
		PBand               float64    `json:"p_band"`
		EffectiveGroups     [2]float64 `json:"effective_groups"`
		EffectiveFiles      [2]float64 `json:"effective_files"`
		DesignEffect        float64    `json:"design_effect"`
		InB                 []float64  `json:"in_b"`
		OutB                []float64  `json:"out_b"`
		GroupsLater         []int      `json:"groups_later"`
		Detectors, Splits   difference
		Balanced, Share     [3]float64
		Threshold           float64
	}
	golden(t, "grouped", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			in, out := Sample{c.In, c.GroupsIn}, Sample{c.Out, c.GroupsOut}
			check := func(what string, got, want float64) {
				t.Helper()
				if !near(got, want, 1e-8) {
					t.Errorf("%s %v, want %v", what, got, want)
				}
			}
			a := AUROCOf(in, out)
			check("AUROC", a.Value, c.AUROC)
			check("variance", a.Variance, c.Variance)
			check("degrees of freedom", a.DF, c.DF)
			check("lower end", a.Lo, c.Interval[0])
			check("upper end", a.Hi, c.Interval[1])
			check("p", a.P, c.P)
			check("band from", a.NullLo, c.Band[0])
			check("band to", a.NullHi, c.Band[1])
			check("p of the band", a.PBand, c.PBand)
			check("In groups", a.EffectiveGroupsIn, c.EffectiveGroups[0])
			check("Out groups", a.EffectiveGroupsOut, c.EffectiveGroups[1])
			check("In files", a.EffectiveIn, c.EffectiveFiles[0])
			check("Out files", a.EffectiveOut, c.EffectiveFiles[1])
			check("design effect", a.DesignEffect, c.DesignEffect)
			for _, x := range []struct {
				name string
				got  Difference
				want difference
			}{
				{"detectors", PairedDetectors(in, out, c.InB, c.OutB), c.Detectors},
				{"splits", PairedSplits(in, out, Sample{c.OutB, c.GroupsLater}), c.Splits},
			} {
				check(x.name+": difference", x.got.Value, x.want.Value)
				check(x.name+": variance", x.got.Variance, x.want.Variance)
				check(x.name+": lower end", x.got.Lo, x.want.Lo)
				check(x.name+": upper end", x.got.Hi, x.want.Hi)
				check(x.name+": p", x.got.P, x.want.P)
			}
			balanced, _ := PerClass(in, cycle(len(c.In), 2), out, cycle(len(c.Out), 2), 2)
			share := Below(out, c.Threshold)
			for k, v := range []Interval{balanced, share} {
				want := [][3]float64{c.Balanced, c.Share}[k]
				check("value", v.Value, want[0])
				check("lower end", v.Lo, want[1])
				check("upper end", v.Hi, want[2])
			}
		})
	}
}

func TestClassifierAgainstReferences(t *testing.T) {
	var c struct {
		Truth, Predicted []int
		Scores           []float64
		Accuracy         float64
		MacroF1          float64 `json:"macro_f1"`
		MacroF1OfTwo     float64 `json:"macro_f1_of_two"` // of the files of the first two classes
		Confusion        [][]int
		AURC             float64
		Wilson           [][4]float64
	}
	golden(t, "classifier", &c)
	got := NewConfusion(4, c.Truth, c.Predicted)
	for i := range c.Confusion {
		if !slices.Equal(got[i], c.Confusion[i]) {
			t.Errorf("confusion[%d] = %v, want %v", i, got[i], c.Confusion[i])
		}
	}
	if !near(got.MacroF1(), c.MacroF1, 1e-12) {
		t.Errorf("macro-F1 %v, want %v", got.MacroF1(), c.MacroF1)
	}
	var truth, predicted []int
	for i, class := range c.Truth {
		if class < 2 {
			truth, predicted = append(truth, class), append(predicted, c.Predicted[i])
		}
	}
	if f1 := NewConfusion(4, truth, predicted).MacroF1(); !near(f1, c.MacroF1OfTwo, 1e-12) {
		t.Errorf("macro-F1 of two classes %v, want %v", f1, c.MacroF1OfTwo)
	}
	for _, w := range c.Wilson {
		i := Wilson(int(w[0]), int(w[1]))
		if !near(i.Lo, w[2], 1e-9) || !near(i.Hi, w[3], 1e-9) {
			t.Errorf("%v of %v: %v, want [%v, %v]", w[0], w[1], i, w[2], w[3])
		}
	}
	correct := make([]bool, len(c.Truth))
	for i := range correct {
		correct[i] = c.Truth[i] == c.Predicted[i]
	}
	if r := Reject(files(c.Scores), correct, math.Inf(-1)); !near(r.AURC, c.AURC, 1e-12) || r.Coverage.Value != 1 || !near(r.Accuracy.Value, c.Accuracy, 1e-12) {
		t.Errorf("AURC %v, coverage %v, accuracy %v; want %v, 1, %v", r.AURC, r.Coverage, r.Accuracy, c.AURC, c.Accuracy)
	}
}
