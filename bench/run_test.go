package bench

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"driftbench/report"
)

// Whether a folder can be written into is asked without a wait, and without a
// change to what lies there.
func TestPrepareFolder(t *testing.T) {
	none := func(string) error { return nil }
	for name, tc := range map[string]struct {
		put  func(path string) error
		want string // "" is no error, and nothing left
	}{
		"nothing":        {none, ""},
		"left by a kill": {func(path string) error { return os.WriteFile(path, nil, 0o666) }, ""},
		"with content":   {func(path string) error { return os.WriteFile(path, []byte("mine"), 0o666) }, "is in the way: move it"},
		"pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o666) }, "is in the way: move it"},
		"folder":         {func(path string) error { return os.Mkdir(path, 0o777) }, "is in the way: move it"},
		"dangling link":  {func(path string) error { return os.Symlink(path+"-target", path) }, "is in the way: move it"},
		"link":           {func(path string) error { return os.Symlink("/dev/null", path) }, "is in the way: move it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, ".writable")
			if err := tc.put(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			err := prepareFolder("--out", dir)
			if tc.want == "" {
				if left, _ := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("error %v, left %v", err, left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), path+" "+tc.want) {
				t.Errorf("error %v, want %s %s", err, path, tc.want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was changed: %v", err)
			}
			if _, err := os.Lstat(path + "-target"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

// Commands that prepare one folder at once do not get in each other's way.
func TestPrepareFolderAtOnce(t *testing.T) {
	dir := t.TempDir()
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			var err error
			for i := 0; i < 200 && err == nil; i++ {
				err = prepareFolder("--out", dir)
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".writable")); err == nil || !os.IsNotExist(err) {
		t.Errorf("left: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{
		"auroc(2019, mahalanobis/ensemble) > 0.75": {"auroc(2019, mahalanobis/ensemble) > 0.75", "auroc", "2019", "mahalanobis/ensemble", true, 0.75},
		" accuracy (2018-Q1)<.9 ":                  {"accuracy (2018-Q1)<.9", "accuracy", "2018-Q1", "", false, 0.9},
		"auroc(2019,knn/layer7)<1":                 {"auroc(2019,knn/layer7)<1", "auroc", "2019", "knn/layer7", false, 1},
	} {
		if got, err := ParseRule(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "auroc", "auroc(2019) > 0.5", "accuracy(2019, msp) > 0.5", "auroc(, msp) > 0.5", "auroc(2019,) > 0.5",
		"auroc(2019, msp) >= 0.5", "auroc(2019, msp) > 1.5", "auroc(2019, msp) > NaN", "auroc(2019, msp) > -1",
		"f1(2019) < 0.5", "auroc(2019, msp) > 0.5 and more", "auroc(2019, msp) 0.5",
	} {
		if r, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), ruleForms) {
			t.Errorf("%q: %+v, %v, want the forms of a rule", text, r, err)
		}
	}
}

// The end of the interval that is nearer to the bound decides.
func TestRuleDecides(t *testing.T) {
	nan := report.Num(math.NaN())
	res := report.Results{
		Detectors: []report.Detector{
			{Name: "msp", Splits: []report.DetectorSplit{
				{Split: "2018", AUROC: 0.7, AUROCLo: 0.6, AUROCHi: 0.8},
				{Split: "2019", AUROC: 1, AUROCLo: nan, AUROCHi: nan},
			}},
			{Name: "vim", Skipped: "no layer"},
		},
		Classifier: &report.Classifier{Splits: []report.Accuracy{
			{Name: "2018", Accuracy: report.Interval{Value: 0.7, Lo: 0.6, Hi: 0.8}},
		}},
	}
	for _, tc := range []struct {
		rule   string
		failed bool
		reason string
	}{
		{"auroc(2018, msp) > 0.59", true, "the lower end of 0.700 [0.600, 0.800] is above 0.59"},
		{"auroc(2018, msp) > 0.6", false, "the lower end of 0.700 [0.600, 0.800] is not above 0.6"},
		{"auroc(2018, msp) < 0.81", true, "the upper end of 0.700 [0.600, 0.800] is below 0.81"},
		{"auroc(2018, msp) < 0.8", false, "the upper end of 0.700 [0.600, 0.800] is not below 0.8"},
		{"accuracy(2018) < 0.81", true, "the upper end of 0.700 [0.600, 0.800] is below 0.81"},
		{"accuracy(2018) > 0.65", false, "the lower end of 0.700 [0.600, 0.800] is not above 0.65"},
		{"auroc(2019, msp) > 0.5", true, "it could not be computed: too few files"},
		{"auroc(2018, vim) > 0.5", true, "it could not be computed: no layer"},
	} {
		r, err := ParseRule(tc.rule)
		if err != nil {
			t.Fatal(err)
		}
		want := report.RuleOutcome{Rule: tc.rule, Failed: tc.failed, Reason: tc.reason}
		if got := r.decide(res); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
