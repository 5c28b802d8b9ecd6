package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"driftbench/bench"
	"driftbench/bench/features"
	"driftbench/report"
)

// edited is a copy of small whose index went through change and whose files
// lie in files/.
func edited(t *testing.T, change func(index string) string) string {
	t.Helper()
	dir := t.TempDir()
	copyTree(t, dir, small(), func(path string) bool { return path == "dataset.csv" })
	copyTree(t, filepath.Join(dir, "files"), small(), func(path string) bool { return filepath.Ext(path) == ".exe" })
	writeFile(t, filepath.Join(dir, "corpus.yaml"), "root: files\n")
	index := filepath.Join(dir, "dataset.csv")
	writeFile(t, index, change(readFile(t, index)))
	return dir
}

// tree lists all that is below a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir && err == nil {
			all = append(all, path)
		}
		return nil
	})
	return all
}

// What makes a corpus or model unfit is told in one line that says where,
// before any feature is computed.
func TestRunRefuses(t *testing.T) {
	slow(t)
	same := func(s string) string { return s }
	line := func(n int, change func(string) string) func(string) string {
		return func(index string) string {
			lines := strings.Split(index, "\n")
			lines[n-1] = change(lines[n-1])
			return strings.Join(lines, "\n")
		}
	}
	field := func(n int, value string) func(string) string {
		return func(row string) string {
			f := strings.Split(row, ",")
			f[n] = value
			return strings.Join(f, ",")
		}
	}
	without := func(drop string) func(string) string {
		return func(index string) string {
			lines := strings.Split(index, "\n")
			kept := lines[:1]
			pattern := regexp.MustCompile(drop)
			for _, l := range lines[1:] {
				if !pattern.MatchString(l) {
					kept = append(kept, l)
				}
			}
			return strings.Join(kept, "\n") + "\n"
		}
	}
	for name, tc := range map[string]struct {
		index func(string) string
		more  func(dir string) // changes the folder
		args  []string
		want  string
	}{
		"missing column": {index: line(1, func(string) string { return "name,label,seen" }),
			want: `DIR/dataset.csv:1: no column "first_seen" in the header "name,label,seen": rename or add it, or set columns in corpus.yaml`},
		"unknown label": {index: line(5, field(1, "wurm")),
			want: `DIR/dataset.csv: 1 row of the training span has a label that corpus.yaml does not list: "wurm" (1 row): add them to labels in corpus.yaml, or add "other" to put all of them into one class`},
		"bad date": {index: line(7, field(2, "2017-13-01")),
			want: `DIR/dataset.csv:7: first_seen: "2017-13" is no month: months go from 01 to 12: correct the date; it looks like YYYY-DD-MM; --skip-bad 0.01 leaves them out`},
		"no index": {index: same, more: func(dir string) { os.Remove(filepath.Join(dir, "dataset.csv")) },
			want: `opening the index: open DIR/dataset.csv: no such file or directory`},
		"empty index": {index: func(string) string { return "" },
			want: `DIR/dataset.csv: empty: want a header with the columns name,label,first_seen`},
		"directory as index": {index: same, more: func(dir string) {
			os.Remove(filepath.Join(dir, "dataset.csv"))
			os.Mkdir(filepath.Join(dir, "dataset.csv"), 0o777)
		}, want: `opening the index: "DIR/dataset.csv" is a directory`},
		"empty split": {index: without(`,2018-0[123]`),
			want: `DIR/dataset.csv: split "2018-Q1" is empty: sample 0.3 of the 0 rows from 2018-01 to 2018-03: set tests in corpus.yaml or add rows`},
		"class without fit rows": {index: without(`worm,2017`),
			want: `DIR/dataset.csv: no fit row with label "worm": add rows, or remove the label from labels in corpus.yaml`},
		"no root": {index: same, more: func(dir string) { os.RemoveAll(filepath.Join(dir, "files")) },
			want: `opening the root of the files: stat DIR/files: no such file or directory: set root in corpus.yaml`},
		"every file is missing": {index: same, more: func(dir string) {
			os.RemoveAll(filepath.Join(dir, "files"))
			os.Mkdir(filepath.Join(dir, "files"), 0o777)
		},
			want: `split "2017-fit": all 44 files are dropped; the first: name "FILE" (line N) is missing: is root ("DIR/files") or trim ("") in corpus.yaml right?`},
		"name that climbs out": {index: line(3, field(0, "../../etc/passwd")),
			want: `DIR/dataset.csv:3: name "../../etc/passwd" leads out of the root: set root or trim in corpus.yaml, or allow it with --allow-outside`},
		"unknown key": {index: same, more: func(dir string) {
			os.WriteFile(filepath.Join(dir, "corpus.yaml"), []byte("index: dataset.csv\nlables: [a]\n"), 0o666)
		}, want: `DIR/corpus.yaml:2: unknown key "lables"`},
		"no corpus": {index: same, args: []string{"--corpus", "DIR/none"},
			want: `corpus folder "DIR/none" does not exist`},
		"no model": {index: same, args: []string{"--model", "DIR"},
			want: `DIR is no SavedModel: it holds no saved_model.pb; convert a Keras file with scripts/convert_savedmodel.py`},
		"out is a file": {index: same, args: []string{"--out", "DIR/dataset.csv"},
			want: `--out: mkdir DIR/dataset.csv: not a directory`},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out := edited(t, tc.index), filepath.Join(t.TempDir(), "out")
			if tc.more != nil {
				tc.more(dir)
			}
			args := []string{"run", "--corpus", dir, "--model", model, "--out", out, "--cache", "none"}
			for _, arg := range tc.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			status, stdout, stderr := driftbench(args...)
			refused(t, status, stdout, stderr, strings.ReplaceAll(tc.want, "DIR", dir))
			if left := tree(t, out); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// refused fails unless a command has failed and said that in one line, in
// which FILE stands for a name of small and N for a number.
func refused(t *testing.T, status int, stdout, stderr, want string) {
	t.Helper()
	if status != exitFailed {
		t.Errorf("status %d, want %d", status, exitFailed)
	}
	if stdout != "" {
		t.Errorf("stdout %q, want none", stdout)
	}
	stderr = regexp.MustCompile(`[a-z]+/20\d\d-\d\d/[0-9a-f]+\.exe`).ReplaceAllString(stderr, "FILE")
	stderr = regexp.MustCompile(`\(line \d+\)`).ReplaceAllString(stderr, "(line N)")
	if want = "driftbench: " + want + "\n"; stderr != want {
		t.Errorf("stderr %q\n want %q", stderr, want)
	}
}

// A model that is not what it says fails before any feature is computed too.
func TestRunRefusesModels(t *testing.T) {
	for name, tc := range map[string]struct{ file, old, new, want string }{
		"without the signature": {"saved_model.pb", "serving_default", "serving_another", "signature"},
		"of another width":      {"assets.extra/malconv.json", `"filters": 128`, `"filters": 127`, "the model was mixed up, convert it again"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
			copyTree(t, dir, model, func(string) bool { return true })
			path := filepath.Join(dir, tc.file)
			b := readFile(t, path)
			if !strings.Contains(b, tc.old) {
				t.Fatalf("%s holds no %s", tc.file, tc.old)
			}
			writeFile(t, path, strings.ReplaceAll(b, tc.old, tc.new))
			status, stdout, stderr := driftbench("run", "--corpus", small(), "--model", dir, "--out", out, "--cache", "none")
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if last := lines[len(lines)-1]; status != exitFailed || stdout != "" || !strings.HasPrefix(last, "driftbench: ") || !strings.Contains(last, tc.want) {
				t.Errorf("status %d, stderr %q, want %q", status, stderr, tc.want)
			}
			if left := tree(t, out); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// Single files that cannot be read are dropped with their labels, counted and
// named, and the rest is measured. A byte order mark and CRLF are no reason to
// stop, nor are fewer fit rows than features, but that is a warning.
func TestRunDropsSingleFiles(t *testing.T) {
	slow(t)
	dir := edited(t, func(index string) string {
		return "\ufeff" + strings.ReplaceAll(index, "\n", "\r\n")
	})
	out := t.TempDir()
	fit := readSplit(t, "2017-fit")
	gone, folder, pipe, link, empty := fit[0], fit[1], fit[2], fit[3], fit[4]
	at := func(name string) string { return filepath.Join(dir, "files", name) }
	for _, name := range []string{gone, folder, pipe, link, empty} {
		if err := os.Remove(at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(at(folder), 0o777), syscall.Mkfifo(at(pipe), 0o666), os.Symlink("/etc/passwd", at(link))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at(empty), "")

	status, _, stderr := driftbench("run", "--corpus", dir, "--model", model, "--out", out, "--cache", "none", "--resamples", "10")
	if status != exitDone {
		t.Fatalf("status %d, stderr:\n%s", status, stderr)
	}
	for _, want := range []string{
		"split 2017-fit: 5 of 44 files cannot be read; the first: name \\\"" + gone + "\\\" (line ",
		"split 2017-fit has 39 readable files, fewer than the 128 features of layer7",
		"the covariance of layer7 has rank ",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not say %q:\n%s", want, stderr)
		}
	}
	var m bench.Manifest
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(out, "manifest.json"))), &m); err != nil {
		t.Fatal(err)
	}
	var dropped []string
	for _, d := range m.Dropped {
		dropped = append(dropped, d.Name+" "+d.Reason)
	}
	want := []string{gone + " is missing", folder + " is a directory", pipe + " is a named pipe", link + " leads out of the root by a symbolic link", empty + " is empty"}
	if !slices.Equal(dropped, want) {
		t.Errorf("dropped %q, want %q", dropped, want)
	}
	r, err := report.ReadResults(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if fit := r.Splits[0]; fit.Dropped != 5 || fit.Files != 39 {
		t.Errorf("results have %d files and %d dropped, want 39 and 5", fit.Files, fit.Dropped)
	}
}

// readSplit names the files of a split of small.
func readSplit(t *testing.T, split string) []string {
	t.Helper()
	s, err := features.Read(filepath.Join(extracted(), "features"), split)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range s.Rows {
		names = append(names, r.Name)
	}
	return names
}

// Wrong usage is told with status 2, before anything is written.
func TestUsage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	run := []string{"run", "--corpus", "x", "--model", "y", "--out", out}
	synth := []string{"corpus", "synth", "--out", out}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"measure"}, `unknown command "measure" for "driftbench"`},
		{[]string{"run"}, `required flag(s) "corpus", "model", "out" not set`},
		{append(run, "more"), `unknown command "more" for "driftbench run"`},
		{append(run, "--engines", "table"), `unknown flag: --engines; did you mean --engine?`},
		{append(run, "--zzz"), `unknown flag: --zzz` + "\n"},
		{[]string{"rnu"}, `unknown command "rnu" for "driftbench"; did you mean run?`},
		{append(run, "--engine", "tabel"), `--engine "tabel": want auto, tensorflow or table; did you mean table?`},
		{append(run, "--engine", "fast"), `--engine "fast": want auto, tensorflow or table`},
		{append(run, "--engine", "table16"), `--engine "table16": want auto, tensorflow or table; did you mean table?`},
		{append(run, "--device", "tpu"), `--device "tpu": want auto, cpu or gpu`},
		{append(run, "--engine", "table", "--device", "gpu"), `--engine table computes on the CPU: leave out --device gpu, or use --engine tensorflow`},
		{append(run, "--batch", "-1"), `--batch -1: want 0 or more`},
		{append(run, "--batch", "many"), `invalid argument "many" for "--batch" flag: want a whole number` + "\n"},
		{append(run, "--batch", "99999999999999999999"), `invalid argument "99999999999999999999" for "--batch" flag: want a number nearer to 0` + "\n"},
		{append(run, "--bootstrap-seed", "-1"), `invalid argument "-1" for "--bootstrap-seed" flag: want a whole number of 0 or more` + "\n"},
		{append(run, "--allow-outside=perhaps"), `invalid argument "perhaps" for "--allow-outside" flag: want true or false` + "\n"},
		{[]string{"throughput", "--batch", "1,x"}, `invalid argument "1,x" for "--batch" flag: want a whole number` + "\n"},
		{append(synth, "--drift", "x"), `invalid argument "x" for "--drift" flag: want a number` + "\n"},
		{append(synth, "--files", "49"), `49 files are too few for the splits: ask for 50 or more`},
		{append(synth, "--group-size", "0.5"), `0.5 files a build: ask for 1 (no builds) or more`},
		{append(synth, "--drift", "-1"), `drift -1: ask for 0 (none) or more`},
		{append(run, "--threads", "-2"), `--threads -2: want 0 or more`},
		{append(run, "--resamples", "0"), `--resamples 0: want 1 or more`},
		{[]string{"throughput", "--model", "x", "--out", out, "--count", "0"}, `--batch, --count and --pass want numbers of 1 or more, not 0`},
		{[]string{"compare"}, `accepts between 1 and 2 arg(s), received 0`},
		{[]string{"cache", "prune", "--max-size", "much"}, `--max-size "much": want a size such as 500MB`},
	} {
		status, stdout, stderr := driftbench(tc.args...)
		help := "driftbench"
		if tc.args[0] != "measure" && tc.args[0] != "rnu" {
			help += " " + tc.args[0]
		}
		if tc.args[0] == "corpus" || tc.args[0] == "cache" {
			help += " " + tc.args[1]
		}
		if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "driftbench: "+tc.want) || !strings.HasSuffix(stderr, "\nSee `"+help+" --help`.\n") {
			t.Errorf("%q: status %d, stdout %q, stderr %q, want %q", tc.args, status, stdout, stderr, tc.want)
		}
	}
	if left := tree(t, out); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
