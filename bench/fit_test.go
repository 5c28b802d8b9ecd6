package bench

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"driftbench/internal/fixture"
)

// savedBytes returns the fit file of an evaluation of opt.
func savedBytes(t testing.TB, opt Options) []byte {
	t.Helper()
	s, err := ReadSplits(opt)
	if err != nil {
		t.Fatal(err)
	}
	opt.Resamples = 2
	if _, err := Evaluate(t.Context(), s, opt); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "some.fit")
	if err := saveFit(path, s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resealed is a fit file with another description and a valid checksum.
func resealed(t *testing.T, file string, change func(*savedFit)) string {
	t.Helper()
	meta, rest, _ := strings.Cut(strings.TrimPrefix(file, fitMagic), "\n")
	var f savedFit
	if err := json.Unmarshal([]byte(meta), &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	body := fitMagic + string(b) + "\n" + rest[:len(rest)-sha256.Size]
	sum := sha256.Sum256([]byte(body))
	return body + string(sum[:])
}

func TestReadFitRefuses(t *testing.T) {
	dir := fixture.Features(t)
	good := string(savedBytes(t, Options{Features: dir}))
	if _, err := parseFit([]byte(resealed(t, good, func(*savedFit) {}))); err != nil {
		t.Fatalf("an unchanged fit: %v", err)
	}
	for name, tc := range map[string]struct{ file, want string }{
		"empty":         {"", "not written by --save-fit"},
		"other file":    {"PK\x03\x04", "not written by --save-fit"},
		"other version": {strings.Replace(good, "fit 1\n", "fit 2\n", 1), "not of version 1"},
		"only a header": {fitMagic, "cut short"},
		"cut short":     {good[:len(good)-1], "cut short or damaged"},
		"one bit":       {good[:200] + string(good[200]^1) + good[201:], "cut short or damaged"},
		"climbing name": {resealed(t, good, func(f *savedFit) { f.Train = "../2017" }), "cannot name a file"},
		"no labels":     {resealed(t, good, func(f *savedFit) { f.Labels = nil }), "labels"},
		"same labels":   {resealed(t, good, func(f *savedFit) { f.Labels[0] = f.Labels[1] }), "not all different"},
		"no such class": {resealed(t, good, func(f *savedFit) { f.In.Classes[3] = 2 }), "class 2 of 2"},
		"short column":  {resealed(t, good, func(f *savedFit) { f.Fit.SHA256 = f.Fit.SHA256[1:] }), "differ in length"},
		"lost scores":   {resealed(t, good, func(f *savedFit) { delete(f.In.Scores, "msp") }), "0 scores of msp"},
		"bad month":     {resealed(t, good, func(f *savedFit) { f.In.FirstSeen[0] = []byte("2017") }), "begins with no month"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "some.fit")
			writeFile(t, path, tc.file)
			_, err := ReadSplits(Options{Features: dir, FitFile: path})
			if err == nil || !strings.HasPrefix(err.Error(), "reading the fit "+path+": ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
