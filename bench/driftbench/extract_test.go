package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"driftbench/bench"
	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/tfmodel"
)

// bytesRead is how much this process has read from files so far.
func bytesRead(t *testing.T) int64 {
	t.Helper()
	var n int64
	if _, err := fmt.Sscanf(readFile(t, "/proc/self/io"), "rchar: %d", &n); err != nil {
		t.Skip("the kernel does not count reads: ", err)
	}
	return n
}

// A second extraction reads no file that is unchanged and gives the same
// features. A file with other bytes is read, even where its size and mtime are
// as before.
func TestUnchangedFilesAreNotReadAgain(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	corpus, cache := filepath.Join(dir, "corpus"), filepath.Join(dir, "cache")
	copyTree(t, corpus, small(), func(string) bool { return true })
	time.Sleep(3100 * time.Millisecond) // times of files that are newer are not relied on
	extract := func(out string) (features map[string]string, stderr string, read int64) {
		t.Helper()
		before := bytesRead(t)
		status, _, stderr := driftbench("extract", "--corpus", corpus, "--model", model, "--out", filepath.Join(dir, out), "--cache", cache)
		if status != exitDone {
			t.Fatal(stderr)
		}
		read = bytesRead(t) - before
		features = map[string]string{}
		for _, path := range tree(t, filepath.Join(dir, out, "features")) {
			features[filepath.Base(path)] = readFile(t, path)
		}
		return features, stderr, read
	}
	first, _, readAll := extract("first")
	second, stderr, readNone := extract("second")
	for name, content := range first {
		if second[name] != content {
			t.Errorf("%s is another the second time", name)
		}
	}
	if len(first) != 25 || len(second) != 25 {
		t.Errorf("%d and %d files of features, want 5 for each of 5 splits", len(first), len(second))
	}
	var bytes int64 // of the corpus's files as far as they are seen
	for _, split := range []string{"2017-fit", "2017-val", "2018-Q1", "2018-late", "2019"} {
		s, err := features.Read(filepath.Join(dir, "second", "features"), split)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Rows {
			bytes += min(r.Size, 200000)
			if r.Kind != "PE" || r.Linked == 0 || (r.NearFit == "") != (split == "2017-fit") {
				t.Errorf("of an unchanged file of %s is known: %+v", split, r)
			}
		}
	}
	if readAll-readNone < bytes*9/10 {
		t.Errorf("%d and %d bytes were read, the files have %d", readAll, readNone, bytes)
	}
	if n := strings.Count(stderr, "dropped=0"); n != 5 || regexp.MustCompile(`files=(\d+) dropped=0 cached=0`).MatchString(stderr) {
		t.Errorf("not everything is recalled:\n%s", stderr)
	}

	name := strings.Split(strings.Split(first["2019.csv"], "\n")[1], ",")[0]
	path := filepath.Join(corpus, name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(readFile(t, path))
	for i := range content {
		content[i] ^= 0x55
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	third, _, _ := extract("third")
	for file, content := range first {
		if changed := third[file] != content; changed != strings.HasPrefix(file, "2019.") {
			t.Errorf("one file of 2019 is another, %s changed: %v", file, changed)
		}
	}
}

// Where every feature is cached no engine is opened and TensorFlow is not loaded:
// a library that cannot be loaded does no harm, whether or not the files have to be
// read again. A file that is new needs it.
func TestCachedRunOpensNoEngine(t *testing.T) {
	slow(t)
	dir, broken := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(broken, "libtensorflow_cc.so.2"), "no library")
	corpus, cache := filepath.Join(dir, "corpus"), filepath.Join(dir, "cache")
	extract := func(from, out string, env ...string) ended {
		cmd := subprocess(nil, "extract", "--corpus", from, "--model", model, "--device", "cpu", "--out", filepath.Join(dir, out), "--cache", cache)
		cmd.Env = append(cmd.Env, env...)
		return run(t, cmd)
	}
	first := extract(small(), "first")
	copyTree(t, corpus, small(), func(string) bool { return true }) // with other versions of each file
	for _, from := range []string{small(), corpus} {
		e := extract(from, "second", "LD_LIBRARY_PATH="+broken)
		if e.status != exitDone || !strings.Contains(e.stderr, `msg=engine name=table device=cpu why="no GPU is used`) {
			t.Fatalf("cached: status %d\n%s", e.status, e.stderr)
		}
		same(t, "without an engine", contents(t, filepath.Join(dir, "second", "features")), contents(t, filepath.Join(dir, "first", "features")), true)
	}
	if first.status != exitDone {
		t.Errorf("uncached: status %d\n%s", first.status, first.stderr)
	}

	index := readFile(t, filepath.Join(corpus, "dataset.csv"))
	writeFile(t, filepath.Join(corpus, "new"), "new")
	writeFile(t, filepath.Join(corpus, "dataset.csv"), index+"new,trojan,2017-01-01\n")
	if e := extract(corpus, "third", "LD_LIBRARY_PATH="+broken); e.status != exitFailed || !strings.Contains(e.last(), "loading TensorFlow") || !strings.Contains(e.last(), broken) {
		t.Errorf("a file without features: status %d\n%s", e.status, e.stderr)
	}
}

// An index, a place of files and a configuration do what a corpus folder does.
func TestIndexAndFilesInPlaceOfCorpus(t *testing.T) {
	dir := t.TempDir()
	// The same rows as JSON Lines with epochs, without the suffix of names, and with
	// labels by another name.
	var lines, labels strings.Builder
	table, err := csv.NewReader(strings.NewReader(readFile(t, filepath.Join(small(), "dataset.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range table[1:] {
		seen, err := time.Parse(time.DateOnly, r[2])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"path\": %q, \"md5\": \"%032X\", \"t\": %d, \"build\": %q}\n", r[0], i, seen.Unix(), "build "+strconv.Itoa(i/2))
		fmt.Fprintf(&labels, "%032x\tfamily-%s\n", i, r[1])
	}
	index, config, from := filepath.Join(dir, "index.jsonl"), filepath.Join(dir, "conf.yaml"), filepath.Join(dir, "avclass.txt")
	for path, text := range map[string]string{
		index: lines.String(), from: labels.String(),
		config: "columns: {name: path, label: kind, first_seen: t, group: build}\ntrain: {holdout: random}\n" +
			"map: {family-trojan: trojan, family-virus: virus, family-worm: worm, family-backdoor: backdoor}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--index", index, "--files", small(), "--config", config, "--labels-from", from}
	want := mustRun(t, "splits", "--corpus", small(), "--out", filepath.Join(dir, "a"))
	if got := mustRun(t, append([]string{"splits", "--out", filepath.Join(dir, "b")}, args...)...); got != want {
		t.Errorf("splits:\n%s\nwant\n%s", got, want)
	}
	if roles := "splits/roles.csv"; readFile(t, filepath.Join(dir, "a", roles)) != readFile(t, filepath.Join(dir, "b", roles)) {
		t.Error("the roles differ")
	}
	mustRun(t, append([]string{"extract", "--model", model, "--out", filepath.Join(dir, "c"), "--cache", "none"}, args...)...)
	s, err := features.Read(filepath.Join(dir, "c", "features"), "2019")
	if err != nil || len(s.Rows) == 0 || s.Rows[0].Group == "" || !strings.HasPrefix(s.Rows[0].FirstSeen, "2019-") {
		t.Errorf("%+v, %v", s.Rows, err)
	}
	var manifest struct {
		Index struct {
			Form   string `json:"form"`
			Rows   int    `json:"rows"`
			Labels string `json:"labels_sha256"`
		} `json:"index"`
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(dir, "c", "manifest.json"))), &manifest); err != nil {
		t.Fatal(err)
	}
	if m := manifest.Index; m.Form != "columns path, kind, t" || m.Rows != len(table)-1 || len(m.Labels) != 64 {
		t.Errorf("manifest has %+v", m)
	}
	mustRun(t, append([]string{"throughput", "--model", model, "--out", filepath.Join(dir, "d"), "--device", "cpu", "--engine", "table", "--batch", "2", "--count", "1", "--least", "1ms", "--pass", "4"}, args...)...)
	if text := readFile(t, filepath.Join(dir, "d", "bench.txt")); !strings.Contains(text, "corpus: index.jsonl") || !strings.Contains(text, "/read=yes") {
		t.Errorf("throughput wrote %s", text)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"splits", "--files", small(), "--out", dir}, `required flag(s) "corpus" not set`},
		{[]string{"splits", "--index", index, "--skip-bad", "2", "--out", dir}, "--skip-bad 2: want a share from 0 to less than 1"},
		{[]string{"throughput", "--model", model, "--files", dir, "--out", dir}, "--files names a place: name the --index too, or --corpus"},
	} {
		if status, _, stderr := driftbench(c.args...); status != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %s, want %q", c.args, status, stderr, c.want)
		}
	}
}

// Features are the same wherever the samples lie: the cache knows all of them by
// their bytes, in the first run over a place and in the second.
func TestFilesInOtherPlaces(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	var zipped, tarred bytes.Buffer
	z, g := zip.NewWriter(&zipped), gzip.NewWriter(&tarred)
	w := tar.NewWriter(g)
	parts := []string{"one", "two"}
	n := 0
	err := filepath.WalkDir(small(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".exe" {
			return err
		}
		name, err := filepath.Rel(small(), path)
		if err != nil {
			return err
		}
		content := readFile(t, path)
		m, err := z.Create("corpus/" + name)
		if err != nil {
			return err
		}
		m.Write([]byte(content))
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(content)), Mode: 0o600}); err != nil {
			return err
		}
		w.Write([]byte(content))
		var packed bytes.Buffer
		p := gzip.NewWriter(&packed)
		p.Write([]byte(content))
		p.Close()
		for at, content := range map[string]string{"packed": packed.String(), parts[n%2]: content} {
			at = filepath.Join(dir, at, name)
			os.MkdirAll(filepath.Dir(at), 0o777)
			writeFile(t, at, content)
		}
		n++
		return nil
	})
	for _, closing := range []error{err, z.Close(), w.Close(), g.Close()} {
		if closing != nil {
			t.Fatal(closing)
		}
	}
	writeFile(t, filepath.Join(dir, "all.zip"), zipped.String())
	writeFile(t, filepath.Join(dir, "all.tar.gz"), tarred.String())
	time.Sleep(3100 * time.Millisecond) // files that are newer are read again

	features := func(out string) map[string]string {
		paths, err := filepath.Glob(filepath.Join(out, "features", "*"))
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		all := map[string]string{}
		for _, path := range paths {
			all[filepath.Base(path)] = readFile(t, path)
		}
		return all
	}
	want := features(extracted())
	for _, tc := range []struct {
		name     string
		places   []string
		unpacked map[string]int
	}{
		{"zip", []string{"all.zip"}, map[string]int{"zip": n}},
		{"tar.gz", []string{"all.tar.gz"}, map[string]int{"tar.gz": n}},
		{"packed", []string{"packed"}, map[string]int{"gzip": n}},
		{"two folders", parts, nil},
	} {
		out := t.TempDir()
		args := []string{"extract", "--corpus", small(), "--model", model, "--out", out, "--cache", cached(), "--password", "s3cret"}
		for _, p := range tc.places {
			args = append(args, "--files", filepath.Join(dir, p))
		}
		for _, again := range []bool{false, true} {
			status, _, stderr := driftbench(args...)
			if status != exitDone {
				t.Fatalf("%s: status %d, stderr:\n%s", tc.name, status, stderr)
			}
			if got := features(out); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, again %v: other features than of plain files", tc.name, again)
			}
			for _, m := range regexp.MustCompile(`msg=extracted .* files=(\d+) .* cached=(\d+)`).FindAllStringSubmatch(stderr, -1) {
				if m[1] != m[2] {
					t.Errorf("%s, again %v: %s", tc.name, again, m[0])
				}
			}
			text := readFile(t, filepath.Join(out, "manifest.json"))
			var man bench.Manifest
			if err := json.Unmarshal([]byte(text), &man); err != nil {
				t.Fatal(err)
			}
			// Not all rows are drawn, and the two runs draw the same.
			total := 0
			for _, s := range man.Splits {
				total += s.Files
			}
			for form, most := range tc.unpacked {
				if total > most || man.Unpacked[form] != total || len(man.Unpacked) != 1 {
					t.Errorf("%s, again %v: unpacked %v, want %d of %s", tc.name, again, man.Unpacked, total, form)
				}
			}
			if len(tc.unpacked) == 0 && len(man.Unpacked) > 0 {
				t.Errorf("%s: unpacked %v", tc.name, man.Unpacked)
			}
			if strings.Contains(text+stderr, "s3cret") {
				t.Errorf("%s: the password is in the manifest or on stderr", tc.name)
			}
		}
	}
}

// fed is driftbench with input on stdin.
func fed(t *testing.T, input string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(input), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := os.Stdin
	defer func() { os.Stdin = before }()
	os.Stdin = f
	return driftbench(args...)
}

// A worker says whether another attempt is of use, in one line that says where the
// input is wrong, and ends its output only when a shard is complete.
func TestWorkerStatus(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	hostile := "a\"\n\t\\\u2028é.exe"
	for _, name := range []string{hostile, "b.exe"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("MZ"+name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	line, _ := json.Marshal(map[string]string{"name": "x/" + hostile, "label": "l", "group": "g\u2029"})
	row := string(line) + "\n"
	notExact := filepath.Join("..", "..", "tfmodel", "testdata", "relugate")
	for _, tc := range []struct {
		name, input string
		args        []string
		status      int
		say         string
	}{
		{"two shards", row + "\n{\"name\":\"none\"}\n{\"rows\":2}\n{\"name\":\"b.exe\"}\n{\"rows\":1}", nil, exitDone, ""},
		{"no rows", "{\"rows\":0}\n", nil, exitDone, ""},
		{"no end", row, nil, exitFailed, `cut short: it ends after line 1 without a line {"rows": 1}`},
		{"nothing", "", nil, exitFailed, "cut short: it ends after line 0"},
		{"half a line", row + `{"name":"b`, nil, exitFailed, "cut short: it ends within line 2"},
		{"half an end", row + `{"rows":`, nil, exitFailed, "cut short: it ends within line 2"},
		{"too few rows", row + "{\"rows\":2}\n", nil, exitFailed, "cut short: line 2 says 2 rows, 1 have come"},
		{"rows after the end", "{\"rows\":0}\n" + row, nil, exitFailed, "cut short: it ends after line 2"},
		{"no JSON", row + "name,label\n{\"rows\":1}\n", nil, exitUsage, "line 2 of the input"},
		{"no name", "{\"label\":\"x\"}\n", nil, exitUsage, "line 1 of the input has neither name nor rows"},
		{"no UTF-8", "{\"name\":\"a\xff\"}\n{\"rows\":1}\n", nil, exitUsage, "line 1 of the input is no JSON object in UTF-8"},
		{"half a character", "{\"name\":\"a\\ud83d\"}\n{\"rows\":1}\n", nil, exitUsage, "surrogate"},
		{"long line", row + `{"name":"` + strings.Repeat("x", 1<<21) + "\"}\n{\"rows\":2}\n", nil, exitUsage, "line 2 is too long"},
		{"every file is missing", "{\"name\":\"p\"}\n{\"name\":\"q\"}\n{\"rows\":2}\n", nil, exitFailed, `no file of the 2 rows of this shard is there; the first: name "p" is missing`},
		{"every name leads out", "{\"name\":\"/mnt/p\"}\n{\"name\":\"../q\"}\n{\"rows\":2}\n", nil, exitFailed, `name "/mnt/p" leads out of the root: are the files`},
		{"no place", row, []string{"--files", filepath.Join(empty, "none")}, exitFailed, "no such file or directory"},
		{"empty place", row, []string{"--files", dir, "--files", empty}, exitFailed, "is an empty folder: is it mounted"},
		{"other scheme", row, []string{"--files", "ftp://a/b"}, exitUsage, "--files"},
		{"no model", row, []string{"--model", empty}, exitUsage, "is no SavedModel"},
		{"unknown engine", row, []string{"--engine", "tabel"}, exitUsage, "did you mean table"},
		{"inexact engine", row, []string{"--engine", "tensorflow"}, exitUsage, "--allow-inexact"},
		{"inexact model", row, []string{"--model", notExact}, exitUsage, "--allow-inexact takes"},
	} {
		args := []string{"worker", "--quiet", "--trim", "x/", "--model", model}
		if !slices.Contains(tc.args, "--files") {
			args = append(args, "--files", dir)
		}
		status, stdout, stderr := fed(t, tc.input, append(args, tc.args...)...)
		if status != tc.status || !strings.Contains(stderr, tc.say) || tc.say != "" && strings.Count(stderr, "driftbench: ") != 1 {
			t.Errorf("%s: status %d, want %d, stderr: %s", tc.name, status, tc.status, stderr)
		}
		if (status == exitDone) != (strings.Count(stdout, "\n{\"rows\":")+strings.Count("\n"+stdout[:min(8, len(stdout))], "\n{\"rows\":") > 0) {
			t.Errorf("%s: status %d, stdout: %.300s", tc.name, status, stdout)
		}
		if tc.name != "two shards" {
			continue
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSuffix(stdout, "\n"), "\n") {
			var r struct {
				Name, Label, Group, SHA256, Features, Traits, Dropped, Model, Engine any
				Size, Rows                                                           any
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			features, _ := r.Features.(string)
			got = append(got, fmt.Sprintf("%v %v %v %v %v %v %d", r.Name, r.Label, r.Group, r.Size, r.Rows, r.Dropped, len(features)))
		}
		want := []string{
			fmt.Sprintf("x/%s l g\u2029 %d <nil> <nil> %d", hostile, 2+len(hostile), (4*(128+64+4)+2)/3*4),
			"none   <nil> <nil> is missing 0", "<nil> <nil> <nil> <nil> 2 1 0",
			fmt.Sprintf("b.exe   7 <nil> <nil> %d", (4*(128+64+4)+2)/3*4), "<nil> <nil> <nil> <nil> 1 0 0",
		}
		if !slices.Equal(got, want) {
			t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A worker ends at once when it is interrupted, whatever it waits for.
func TestWorkerInterrupted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("MZ"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, waits := range []string{"stdin", "stdout"} {
		cmd := subprocess(nil, "worker", "--model", model, "--files", dir)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if waits == "stdout" { // 200 lines fill the pipe
			fmt.Fprint(stdin, strings.Repeat("{\"name\":\"a\"}\n", 200)+"{\"rows\":200}\n")
			if _, err := stdout.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if status, took := cmd.ProcessState.ExitCode(), time.Since(start); status != exitInterrupted || took > 2*time.Second {
			t.Errorf("waiting for %s: status %d after %v", waits, status, took)
		}
	}
}

// A worker whose files vanish with their place, in the middle of a feed, does not call
// them missing.
func TestWorkerPlaceVanishes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("MZ"), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := filepath.Abs(model)
	if err != nil {
		t.Fatal(err)
	}
	in, feed := io.Pipe()
	out, lines := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		failed <- bench.Worker(t.Context(), bench.Options{Model: m, Dataset: dataset.Options{Files: []string{dir}, Strict: true}, Engine: tfmodel.Options{Exact: true}}, in, lines)
		lines.Close()
	}()
	fmt.Fprintln(feed, `{"name":"a"}`)
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, `"name":"a"`) { // what has come is not kept waiting
		t.Fatalf("%q, %v", line, err)
	}
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(feed, "{\"name\":\"a\"}\n{\"rows\":2}\n")
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("after that it writes %q, %v", rest, err)
	}
	if err := <-failed; err == nil || errors.As(err, new(*bench.PermanentError)) || !strings.Contains(err.Error(), "is an empty folder") {
		t.Errorf("error %v", err)
	}
}

// A shard of an index is a whole file, whoever else writes it, and is kept only as long
// as its index, model and options are the same.
func TestShards(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	index := filepath.Join(dir, "i.csv")
	write := func(rows string) {
		t.Helper()
		if err := os.WriteFile(index, []byte("name,label,first_seen\n"+rows), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("MZ"+name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("a,worm,2018-01\nnone,worm,2018-01\nb,worm,2018-02\nc,worm,2018-03\n")
	path := filepath.Join(out, "0.jsonl")
	args := func(more ...string) []string {
		return append([]string{"worker", "--model", model, "--files", dir, "--index", index, "--shard", "0/2", "--out", path}, more...)
	}
	var names []string
	shard := func(more ...string) string {
		t.Helper()
		if status, stdout, stderr := driftbench(args(more...)...); status != exitDone || stdout != "" {
			t.Fatalf("status %d, stdout %q, stderr:\n%s", status, stdout, stderr)
		}
		names = nil
		for _, m := range regexp.MustCompile(`"name":"(.*?)"`).FindAllStringSubmatch(readFile(t, path), -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return readFile(t, path)
	}
	var attempts sync.WaitGroup
	for range 2 {
		attempts.Go(func() {
			if status, _, stderr := driftbench(args("--quiet")...); status != exitDone {
				t.Errorf("two attempts at once: status %d, %s", status, stderr)
			}
		})
	}
	attempts.Wait()
	first := shard()
	if !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("shard 0/2 has the rows %v", names)
	}
	if entries, _ := os.ReadDir(out); len(entries) != 1 {
		t.Errorf("two attempts leave %v", entries)
	}
	if status, _, stderr := driftbench(args("--files", filepath.Join(dir, "none"))...); status != exitDone || !strings.Contains(stderr, "complete already") {
		t.Errorf("a complete file: status %d, %s", status, stderr)
	}
	for what, other := range map[string]func() []string{
		"another index":   func() []string { write("a,virus,2018-01\nnone,worm,2018-01\nb,worm,2018-02\n"); return nil },
		"another model":   func() []string { return []string{"--model", "../../tfmodel/testdata/default"} },
		"another engine":  func() []string { return []string{"--engine", "tensorflow", "--allow-inexact"} },
		"another reading": func() []string { return []string{"--raw"} },
		"a cut file": func() []string {
			if err := os.Truncate(path, int64(len(readFile(t, path))-1)); err != nil {
				t.Fatal(err)
			}
			return nil
		},
		"another shard": func() []string { return []string{"--shard", "1/2"} },
	} {
		more := other()
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := shard(more...)
		if after, err := os.Stat(path); err != nil || os.SameFile(before, after) || strings.Count(lines, "\n") != strings.Count(first, "\n") {
			t.Errorf("%s: the file is kept, or is\n%s", what, lines)
		}
		write("a,worm,2018-01\nnone,worm,2018-01\nb,worm,2018-02\nc,worm,2018-03\n")
	}
	write("a,worm,2018-01\nnone,worm,2018-01\nb\xff,worm,2018-02\nc,worm,2018-03\n")
	if status, _, stderr := driftbench(args("--quiet")...); status != exitUsage || !strings.Contains(stderr, `i.csv:4: name "b\xff" is not valid UTF-8`) {
		t.Errorf("a name that is not UTF-8: status %d, %s", status, stderr)
	}
	write("a,worm,2018-01\n")
	for _, wrong := range [][]string{{"--shard", "2/2"}, {"--shard", "1"}, {"--out", ""}, {"--shard", ""}, {"--out", index}} {
		if status, _, stderr := driftbench(args(wrong...)...); status != exitUsage {
			t.Errorf("%v: status %d, %s", wrong, status, stderr)
		}
	}
}

// hostileCorpus is small with names that are hard to carry, packed, empty and missing
// files.
func hostileCorpus(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(small())); err != nil {
		t.Fatal(err)
	}
	table := readFile(t, filepath.Join(dir, "dataset.csv"))
	lines := strings.Split(table, "\n")
	for i, line := range []string{lines[3], lines[40], lines[80]} {
		path := filepath.Join(dir, strings.Split(line, ",")[0])
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := os.WriteFile(path, nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "MZ packed")
	z.Close()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for i, name := range []string{"new\nline", "a\tb\"c\\d,e", "\u2028\u2029\u0085é😀\x01", strings.Repeat("long/", 40) + "name", "packed.gz", "twice", "twice", "big0", "big1", "big2", "big3", "big4", "big5"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		content := []byte("MZ" + name)
		date := fmt.Sprintf("2018-0%d-11", 1+i%3)
		if name == "packed.gz" {
			content = packed.Bytes()
		} else if strings.HasPrefix(name, "big") { // the model does not see the whole file
			content, date = append(content, make([]byte, 1<<20)...), "2017-04-05"
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		w.Write([]string{name, "worm", date, "g\"" + name})
	}
	w.Flush()
	header, rest, _ := strings.Cut(table, "\n")
	if header == "name,label,first_seen" {
		header, rest = header+",group", strings.ReplaceAll(rest, "\n", ",\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.csv"), []byte(header+"\n"+rest+b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "corpus.yaml"), []byte("train: {holdout: random}\ntests:\n  - {name: '2018', from: 2018-01, to: 2018-12, sample: 1}\n  - {name: '2019', from: 2019-01, to: 2019-12, sample: 0.3}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What workers write, in whatever order and on however many machines, becomes what one
// machine extracts; and what contradicts it is refused with its place.
func TestMerge(t *testing.T) {
	dir, work := hostileCorpus(t), t.TempDir()
	at := func(name string) string { return filepath.Join(work, name) }
	do := func(want int, args ...string) (stderr string) {
		t.Helper()
		status, _, stderr := driftbench(args...)
		if status != want {
			t.Fatalf("%v: status %d, want %d, stderr:\n%s", args, status, want, stderr)
		}
		return stderr
	}
	do(exitDone, "extract", "--corpus", dir, "--model", model, "--cache", "none", "--out", at("one"))
	var shards []string
	for i := range 3 {
		shards = append(shards, at(fmt.Sprint(i)))
		do(exitDone, "worker", "--model", model, "--files", dir, "--index", filepath.Join(dir, "dataset.csv"), "--shard", fmt.Sprintf("%d/3", i), "--out", shards[i])
	}
	merge := func(want int, files ...string) string {
		t.Helper()
		return do(want, append([]string{"merge", "--corpus", dir, "--model", model, "--out", at("merged")}, files...)...)
	}
	manifest := func(out string) map[string]any {
		var m map[string]any
		if err := json.Unmarshal([]byte(readFile(t, filepath.Join(out, "manifest.json"))), &m); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"command", "started", "finished", "batch", "extraction_seconds"} {
			delete(m, key)
		}
		return m
	}
	equal := func(when string) {
		t.Helper()
		same(t, when, contents(t, filepath.Join(at("merged"), "features")), contents(t, filepath.Join(at("one"), "features")), true)
		if a, b := manifest(at("one")), manifest(at("merged")); !reflect.DeepEqual(a, b) {
			for key := range a {
				if !reflect.DeepEqual(a[key], b[key]) {
					t.Errorf("%s: manifest.json has %s %.600v, want %.600v", when, key, b[key], a[key])
				}
			}
		}
	}
	write := func(name, text string) string {
		t.Helper()
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			fmt.Fprint(z, text)
			z.Close()
			text = b.String()
		}
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	write("merged/features/.records123456", "of a merge that was killed")
	stderr := merge(exitDone, shards...)
	equal("shards")
	if !strings.Contains(stderr, "dropped=1") && !strings.Contains(stderr, "dropped=2") {
		t.Errorf("no count of the dropped rows of a shard:\n%s", stderr)
	}
	if !strings.Contains(stderr, "files cannot be read; the first: name ") {
		t.Errorf("no dropped row is named:\n%s", stderr)
	}

	// The same rows from stdin, without their dates, in files as Spark writes them.
	var feed strings.Builder
	index := csv.NewReader(strings.NewReader(readFile(t, filepath.Join(dir, "dataset.csv"))))
	rows, err := index.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		b, _ := json.Marshal(map[string]string{"name": row[0]})
		fmt.Fprintf(&feed, "%s\n", b)
	}
	fmt.Fprintf(&feed, "{\"rows\":%d}\n", len(rows)-1)
	status, stdout, stderr := fed(t, feed.String(), "worker", "--model", model, "--files", dir)
	if status != exitDone {
		t.Fatalf("status %d, stderr:\n%s", status, stderr)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(stdout, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	half := len(lines) / 2
	write("spark/part-00000", strings.Join(lines[:half], ""))
	write("spark/part-00001.gz", strings.Join(lines[half:], ""))
	write("spark/_SUCCESS", "")
	write("spark/.part-00000.crc", "x")
	merge(exitDone, at("spark"))
	equal("lines of Spark")
	merge(exitDone, append(shards[1:], write("all", readFile(t, shards[0])+readFile(t, shards[1])))...)
	equal("a shard twice, and two in one file")

	// What leaves a split empty is known before features/ is touched.
	gone := ""
	for _, shard := range shards {
		for line := range strings.Lines(readFile(t, shard)) {
			if strings.Contains(line, `"first_seen":"2019`) {
				line = regexp.MustCompile(`"sha256".*?,"model"`).ReplaceAllString(line, `"dropped":"is missing","model"`)
			}
			gone += line
		}
	}
	if stderr := merge(exitFailed, write("gone", gone)); !strings.Contains(stderr, `split "2019": all `) {
		t.Errorf("a split of which nothing is left:\n%s", stderr)
	}
	equal("a split of which nothing is left")
	raw := at("raw")
	do(exitDone, "worker", "--raw", "--model", model, "--files", dir, "--index", filepath.Join(dir, "dataset.csv"), "--shard", "0/50", "--out", raw)
	if stderr := merge(exitDone, append([]string{raw}, shards...)...); !strings.Contains(stderr, "had different options") {
		t.Errorf("shards of different options:\n%s", stderr)
	}

	first := readFile(t, shards[0])
	begins := strings.SplitAfter(first, "\n")
	cut := write("cut", first[:len(first)/2])
	if stderr := merge(exitDone, append(shards, cut)...); !strings.Contains(stderr, "1 of 4 files are cut short or are not all that their workers wrote, such as "+cut) {
		t.Errorf("a shard that is cut short beside a whole one:\n%s", stderr)
	}
	one := 1 // a line of a drawn row with features
	drawn := readFile(t, filepath.Join(at("one"), "features", "2018.csv"))
	name := regexp.MustCompile(`"name":"([\w/.]+)"`)
	for strings.Contains(begins[one], `"twice"`) || !strings.Contains(begins[one], `"size":`) || name.FindStringSubmatch(begins[one]) == nil || !strings.Contains(drawn, name.FindStringSubmatch(begins[one])[1]+",") {
		one++
	}
	changed := func(name, from, to string) string {
		lines := slices.Clone(begins)
		if lines[one] = regexp.MustCompile(from).ReplaceAllString(lines[one], to); lines[one] == begins[one] {
			t.Fatalf("no %s in %s", from, begins[one])
		}
		return write("changed-"+name, strings.Join(lines, ""))
	}
	// Label, date and group are the index's, whatever a feeder says of them.
	for what, tc := range map[string]struct{ from, to, say string }{
		"label":    {`"label":"\w+"`, `"label":"other"`, `has the label "other", and`},
		"date":     {`"first_seen":"2`, `"first_seen":"1`, `has the date "1`},
		"group":    {`"group":"`, `"group":"x`, `has the group "x`},
		"no label": {`"label":"\w+"`, `"label":""`, ""},
		"no date":  {`"first_seen":"[^"]*"`, `"first_seen":""`, ""},
	} {
		stderr := strings.ReplaceAll(merge(exitDone, append([]string{changed("fields", tc.from, tc.to)}, shards[1:]...)...), `\"`, `"`)
		if said := strings.Contains(stderr, "were extracted as the index does not have them"); said != (tc.say != "") || !strings.Contains(stderr, tc.say) {
			t.Errorf("%s: %s, want %q", what, stderr, tc.say)
		}
	}
	// Labels that corpus.yaml changes are no other labels.
	config := write("other.yaml", "labels: [trojan, other, virus, backdoor]\nmap: {virus: trojan, trojan: virus}\n"+readFile(t, filepath.Join(dir, "corpus.yaml")))
	if stderr := merge(exitDone, append([]string{"--config", config}, shards...)...); strings.Contains(stderr, "as the index does not have them") {
		t.Errorf("labels that corpus.yaml changes:\n%s", stderr)
	}
	for what, tc := range map[string]struct {
		file string
		more []string
		say  string
	}{
		"missing":    {cut, shards[1:], "rows of the splits are in no shard; the first: name"},
		"no shard":   {shards[1], shards[1:2], "give the files of all shards\n"},
		"unequal":    {changed("unequal", `"size":`, `"size":1`), shards, "is not what"},
		"dropped":    {changed("dropped", `"sha256".*?,"model"`, `"dropped":"is missing","model"`), shards, "is not what"},
		"index":      {write("index", strings.Replace(first, `"index_sha256":"`, `"index_sha256":"0`, 1)), shards[1:2], "index:1 is of another index: if the index has changed"},
		"model":      {changed("model", `"model":"\w+"`, `"model":"0123"`), shards[1:], "was computed with the model 0123"},
		"engine":     {changed("engine", `"engine":".*?"`, `"engine":"tensorflow 2"`), shards[1:], "tensorflow 2"},
		"features":   {changed("features", `"features":"....`, `"features":"`), shards[1:], "bytes of features, the model gives"},
		"not finite": {changed("not-finite", `"features":"......`, `"features":"AADAfw`), shards[1:], "not finite"},
		"traits":     {changed("traits", `"traits":"......`, `"traits":"AADAfw`), shards[1:], "traits that this driftbench does not know"},
		"no line":    {changed("no-line", `^\{`, `{{`), shards[1:], "is no JSON object"},
		"no file":    {at("none"), shards[1:], "no such file"},
		"no parts":   {dir, shards, "has no file part-*"},
		"cut header": {write("cut.gz.part", "\x1f\x8b\x08"), shards[1:], "1 of 3 files are cut short"},
	} {
		stderr := merge(exitFailed, append([]string{tc.file}, tc.more...)...)
		if !strings.Contains(stderr, tc.say) || strings.Count(stderr, "driftbench: ") != 1 {
			t.Errorf("%s: %s, want %q", what, stderr, tc.say)
		}
		if strings.HasPrefix(filepath.Base(tc.file), "changed-") {
			if where := fmt.Sprintf("%s:%d: ", tc.file, one+1); !strings.Contains(stderr, where) && what != "unequal" && what != "dropped" {
				t.Errorf("%s: %s does not begin with %s", what, stderr, where)
			}
		}
	}
}
