package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"driftbench/bench/dataset"
	"driftbench/internal/atomicfile"
	"driftbench/internal/origin"
	"driftbench/report"
)

// Run extracts the features of a corpus, evaluates them and writes all that
// [Extract] and [Write] write into opt.Out. It uses every field of opt but
// Features and FitFile, and returns the results.
func Run(ctx context.Context, opt Options) (report.Results, error) {
	x, err := openExtraction(ctx, opt)
	if err != nil {
		return report.Results{}, err
	}
	defer x.close()
	if err := opt.checkNames(x.available()); err != nil {
		return report.Results{}, err
	}
	man, err := x.run(ctx)
	if err != nil {
		return report.Results{}, x.interrupted(ctx, err)
	}
	if err := man.write(opt.Out); err != nil { // the features are complete, whatever follows
		return report.Results{}, err
	}
	opt.Features, opt.Dataset = x.dir(), dataset.Options{}
	splits, err := readFolder(opt, man)
	if err != nil {
		return report.Results{}, x.interrupted(ctx, err)
	}
	r, err := Evaluate(ctx, splits, opt)
	if err != nil {
		return report.Results{}, x.interrupted(ctx, err)
	}
	return r, x.interrupted(ctx, write(opt, man, splits, r))
}

// Score evaluates the features folder opt.Features and writes all that [Write]
// writes into opt.Out. It uses the fields of [ReadSplits], [Evaluate] and Write,
// and FailIf, and returns the results. See [ReadSplits] for what the
// folder must hold.
func Score(ctx context.Context, opt Options) (report.Results, error) {
	if err := opt.check(); err != nil {
		return report.Results{}, err
	}
	unlock, err := openOut(opt.Out)
	if err != nil {
		return report.Results{}, err
	}
	defer unlock()
	splits, err := ReadSplits(opt)
	if err != nil {
		return report.Results{}, err
	}
	for _, w := range splits.Warnings {
		opt.Monitor.log().Warn(w)
	}
	if err := opt.checkNames(splits.available()); err != nil {
		return report.Results{}, err
	}
	r, err := Evaluate(ctx, splits, opt)
	if err != nil {
		return report.Results{}, err
	}
	return r, Write(opt, splits, r)
}

// Write writes scores/, manifest.json, results.json, summary.json and the report of evaluated
// splits into opt.Out, and the files opt.SaveFit and opt.Summary. The summary
// has the outcomes of opt.FailIf.
func Write(opt Options, splits *Splits, r report.Results) error {
	made, err := extractedBy(opt.Features)
	if err != nil {
		return err
	}
	man := newManifest(opt)
	man.Features, man.Fit = opt.Features, opt.FitFile
	if made.Command != nil {
		man.Extracted = made
	}
	return write(opt, man, splits, r)
}

// write is Write with the manifest of the run. The results.json and summary.json
// of an earlier run go first, so that none ever lies beside scores that are not
// its own.
func write(opt Options, man *Manifest, splits *Splits, r report.Results) error {
	results, summary := filepath.Join(opt.Out, "results.json"), filepath.Join(opt.Out, "summary.json")
	for _, path := range []string{summary, results} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeScores(opt.Out, splits); err != nil {
		return err
	}
	if opt.SaveFit != "" {
		if err := saveFit(opt.SaveFit, splits); err != nil {
			return err
		}
	}
	if err := man.write(opt.Out); err != nil {
		return err
	}
	if err := report.WriteResults(results, r); err != nil {
		return err
	}
	if err := report.WriteSummary(summary, r); err != nil {
		return err
	}
	if err := draw(opt, r); err != nil {
		return err
	}
	if opt.Summary == "" {
		return nil
	}
	return writeSummary(opt.Summary, r, Decide(opt.FailIf, r))
}

// Draw writes the report and summary.json of the folder opt.Out again from its
// results.json, and returns the results.
func Draw(opt Options) (report.Results, error) {
	r, err := report.ReadResults(filepath.Join(opt.Out, "results.json"))
	if err != nil {
		return r, err
	}
	unlock, err := lockOut(opt.Out)
	if err != nil {
		return r, err
	}
	defer unlock()
	if err := report.WriteSummary(filepath.Join(opt.Out, "summary.json"), r); err != nil {
		return r, err
	}
	return r, draw(opt, r)
}

func draw(opt Options, r report.Results) error {
	in, err := reportInput(opt.Monitor, opt.Out, r)
	if err != nil {
		return err
	}
	opt.Monitor.stage("drawing", -1, "")
	return report.Write(opt.Out, in)
}

// reportInput returns what the report of the folder out is drawn from: r, and
// the manifest and the throughput that lie beside it. The manifest must be of the
// model of r; the throughput of another model is left out.
func reportInput(mon Monitor, out string, r report.Results) (report.Input, error) {
	man, err := readManifest(out)
	if err != nil {
		return report.Input{}, err
	}
	made := r.Origin
	if man != nil {
		results := origin.Part{Name: filepath.Join(out, "results.json"), Origin: r.Origin}
		if made, _, err = origin.Join(results, origin.Part{Name: filepath.Join(out, manifestFile), Origin: man.made()}); err != nil {
			return report.Input{}, err
		}
	}
	timed, answer, err := timing(out)
	if err != nil {
		return report.Input{}, err
	}
	if model := made.ModelSHA256; answer.Model != "" && model != "" && answer.Model != model {
		mon.warn([]string{fmt.Sprintf("%s is of the model %s and not of %s (SHA-256), that of the results: the report leaves it out", filepath.Join(out, benchFile), origin.Short(answer.Model), origin.Short(model))})
		timed, answer = nil, report.ThroughputAnswer{}
	}
	path, err := filepath.Abs(out)
	if err != nil {
		return report.Input{}, err
	}
	return report.Input{Name: filepath.Base(path), Results: r, Manifest: man.provenance(), Throughput: timed, Timing: answer}, nil
}

// WriteSplits writes the splits of a corpus into opt.Out, see
// [dataset.Corpus.WriteSplits], without reading any of its files.
func WriteSplits(ctx context.Context, opt Options) (*dataset.Corpus, error) {
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c, err := loadCorpus(opt)
	if err != nil {
		return nil, err
	}
	var status []dataset.Status
	places, err := c.OpenFiles(ctx, func(line string) { opt.Monitor.log().Info(line) })
	if err == nil {
		defer places.Close()
		var warnings []string
		if status, warnings, err = c.Find(ctx, places); err != nil {
			return nil, err
		}
		opt.Monitor.warn(warnings)
	} else if !errors.Is(err, fs.ErrNotExist) || len(opt.Dataset.Files) > 0 { // an index can be split where its files are not
		return nil, err
	}
	return c, c.WriteSplits(opt.Out, status)
}

// openOut makes the folder that results go into, and locks it: two commands at
// once would mix their files. It fails before any work is done when nothing can
// be written there.
func openOut(dir string) (unlock func(), err error) {
	if err := prepareFolder("--out", dir); err != nil {
		return nil, err
	}
	return lockOut(dir)
}

// lockOut locks a folder that is there. It refuses links in place of the folders
// that commands write below it, before any work is done.
func lockOut(dir string) (unlock func(), err error) {
	for _, name := range []string{featuresFolder, "scores", "splits", "report"} {
		if err := atomicfile.CheckFolder(dir, name); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	// A file system without locks is no reason to stop.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		f.Close()
		return nil, fmt.Errorf("--out %s is in use by another driftbench: wait for it to end, or choose another folder", dir)
	}
	return func() { f.Close() }, nil
}

// prepareFile checks that the file of an option, which is written at the end,
// can be written. An empty path is none.
func prepareFile(option, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return optionErrorf(option, " %s is a folder: want a file", path)
	}
	if err := atomicfile.CheckFile(path); err != nil {
		return optionErrorf(option, " %s", err)
	}
	return prepareFolder("--"+option, filepath.Dir(path))
}

// prepareFolder makes a folder and checks that files can be made in it. Errors
// begin with the name of the option.
func prepareFolder(option, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	// One fixed name, so that a killed process leaves at most one file. O_EXCL
	// opens nothing that is there already. An empty file of that name was left
	// by a killed process or belongs to another command at the same check;
	// removing it needs the same right as making it.
	path := filepath.Join(dir, ".writable")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case err == nil:
		f.Close()
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
			return fmt.Errorf("%s: %s is in the way: move it", option, path)
		}
	default:
		return fmt.Errorf("%s: nothing can be written into %s: %w", option, dir, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: nothing can be written into %s: %w", option, dir, err)
	}
	return nil
}
