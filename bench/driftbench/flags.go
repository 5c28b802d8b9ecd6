package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/bench/files"
	"driftbench/tfmodel"
)

// The flags that several commands have, each with one name and one help text.

// noCache in place of a folder keeps no features.
const noCache = "none"

// defaultCache is the user's own cache folder, or none where there is no home.
func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return noCache
	}
	return filepath.Join(dir, "driftbench")
}

// options are the options of a command, with what its flags do not set.
func (a *app) options() bench.Options {
	return bench.Options{Command: withoutPassword(a.args), Monitor: a.monitor()}
}

const passwordFlag = "password"

// withoutPassword returns a command line with dots for the password, for what
// records it.
func withoutPassword(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--"+passwordFlag && i+1 < len(args) {
			args[i+1] = "..."
		} else if strings.HasPrefix(arg, "--"+passwordFlag+"=") {
			args[i] = "--" + passwordFlag + "=..."
		}
	}
	return args
}

func addOut(cmd *cobra.Command, o *bench.Options, help string) {
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", help)
	cmd.MarkFlagRequired("out")
}

func addConfig(cmd *cobra.Command, o *bench.Options, help string) {
	cmd.Flags().StringVar(&o.Dataset.ConfigFile, "corpus-config", "", help)
}

// addCorpus adds the flags of the commands that read a corpus. A flag corpus that is
// required is not so beside an index or a configuration.
func addCorpus(cmd *cobra.Command, o *bench.Options) {
	fl := cmd.Flags()
	d := &o.Dataset
	fl.StringVar(&o.Corpus, "corpus", "", "`DIR` with dataset.csv and, optionally, corpus.yaml")
	fl.StringVar(&d.ConfigFile, "corpus-config", "", "the older name of --config, `FILE`")
	fl.MarkHidden("corpus-config")
	addIndex(cmd, o)
	addFiles(cmd, o)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if err := checkIndex(o); err != nil {
			return err
		}
		if d.Index != "" || d.ConfigFile != "" {
			return fl.SetAnnotation("corpus", cobra.BashCompOneRequiredFlag, []string{"false"})
		}
		return nil
	}
}

// addIndex adds the flags that say how an index is read.
func addIndex(cmd *cobra.Command, o *bench.Options) {
	fl := cmd.Flags()
	d := &o.Dataset
	fl.StringVar(&d.Index, "index", "", "`FILE` of the index: CSV, TSV, JSON Lines, SQLite or Parquet; its form is told by its columns")
	fl.StringVar(&d.ConfigFile, "config", "", "read this `FILE` as the corpus.yaml")
	fl.StringVar(&d.LabelsFrom, "labels-from", "", "`FILE` of AVClass or ClarAVy whose labels, by digest, replace those of the index")
	fl.StringVar(&d.GroupsFrom, "groups-from", "", "`FILE` of AVClass or ClarAVy whose families are the groups of the files")
	fl.StringVar(&d.Query, "query", "", "`SELECT` whose rows are the index, of an SQLite database")
	fl.Float64Var(&d.SkipBad, "skip-bad", 0, "`SHARE` of the index that may be left out because it cannot be read")
}

// checkIndex checks the flags of addIndex.
func checkIndex(o *bench.Options) error {
	if s := o.Dataset.SkipBad; !(s >= 0 && s < 1) { // so written to catch NaN
		return usagef("--skip-bad %v: want a share from 0 to less than 1", s)
	}
	return nil
}

// addFiles adds the flags that say where files are and how they are read.
func addFiles(cmd *cobra.Command, o *bench.Options) {
	fl := cmd.Flags()
	d := &o.Dataset
	fl.StringArrayVar(&d.Files, "files", nil, "`PLACE` of the files in place of root: a folder, an archive or s3://BUCKET/PREFIX; may be repeated, the first that has a file serves it")
	fl.StringVar(&d.Password, passwordFlag, files.DefaultPassword, "`PASSWORD` of encrypted archives")
	fl.BoolVar(&d.Raw, "raw", false, "read packed files (zlib, gzip, CaRT), and archives that are named by the hash of one sample, as they are")
	fl.BoolVar(&d.AllowOutside, "allow-outside", false, "follow names and links that lead out of their place, and paths of corpus.yaml that lead out of its folder")
}

// addModel adds the flags of the model and of how engines run it.
func addModel(cmd *cobra.Command, o *bench.Options, threads string) {
	fl := cmd.Flags()
	fl.StringVar(&o.Model, "model", "", "`DIR` of the converted SavedModel")
	fl.IntVar(&o.Engine.Threads, "threads", 0, threads)
	fl.StringVar(&o.Engine.VisibleGPUs, "gpus", "", "`NUMBERS` of the GPUs to use, such as 0,1; all when empty")
	fl.BoolVar(&o.Engine.TrustModel, "trust-model", false, "run a model that can do more than compute, such as read or write files")
	cmd.MarkFlagRequired("model")
}

// addEngine adds the flag that names an engine.
func addEngine(cmd *cobra.Command, o *bench.Options) {
	cmd.Flags().StringVar(&o.Engine.Engine, "engine", "auto", "`ENGINE`: auto, "+strings.Join(tfmodel.EngineNames(), ", "))
	completeEngines(cmd)
}

// addExtract adds the flags of the commands that extract features.
func addExtract(cmd *cobra.Command, o *bench.Options) {
	fl := cmd.Flags()
	addCorpus(cmd, o)
	addModel(cmd, o, "CPU threads of the engine, `N`; 0 is all cores")
	addEngine(cmd, o)
	fl.StringVar((*string)(&o.Engine.Device), "device", string(tfmodel.Auto), "`DEVICE`: auto, cpu or gpu; auto is the faster by OUT/bench.txt, or else by a second of each")
	fl.StringVar((*string)(&o.Engine.Precision), "precision", string(tfmodel.Float32), "`PRECISION` of a GPU: float32 or, faster and less exact, tf32")
	fl.BoolVar(&o.Engine.ReserveGPUMemory, "reserve-gpu-memory", false, "take all GPU memory at once instead of as needed")
	addOut(cmd, o, "`DIR` to write into")
	fl.IntVar(&o.Batch, "batch", 0, "files a batch, `N`; 0 is what suits the engine")
	fl.StringVar(&o.Cache, "cache", defaultCache(), "`DIR` of the feature cache, or none")
	cmd.MarkFlagRequired("corpus")
	completeEngines(cmd)
}

// evaluateFlags are those flags of the evaluation whose values are read before
// they are options.
type evaluateFlags struct{ failIf []string }

func (f *evaluateFlags) add(cmd *cobra.Command, o *bench.Options) {
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Detectors, "detectors", nil, "`NAMES` of the detectors to fit; all when empty, and a wrong name lists them")
	fl.IntVar(&o.Resamples, "resamples", 2000, "bootstrap resamples of the ranking metrics, `N`")
	fl.Uint64Var(&o.Seed, "bootstrap-seed", 1, "seed of the bootstrap, `S`")
	fl.StringVar(&o.SaveFit, "save-fit", "", "keep the fitted detectors in this `FILE`, for score --fit")
	fl.StringArrayVar(&f.failIf, "fail-if", nil, "exit with status 3 if this `RULE` holds, see above; may be repeated")
	completeEvaluation(cmd)
	fl.StringVar(&o.Summary, "summary", "", "write a summary for CI to `FILE`.md (Markdown) or FILE.xml (JUnit)")
}

// set completes the options.
func (f *evaluateFlags) set(o *bench.Options) error {
	if o.Resamples < 1 {
		return usagef("--resamples %d: want 1 or more", o.Resamples)
	}
	if o.Cache == noCache {
		o.Cache = ""
	}
	for _, text := range f.failIf {
		r, err := bench.ParseRule(text)
		if err != nil {
			return err
		}
		o.FailIf = append(o.FailIf, r)
	}
	return nil
}

// ruleHelp documents --fail-if in the help of a command.
const ruleHelp = `
--fail-if ends the run with exit status 3 when a rule holds, and names it in the
last line. A rule is
  auroc(SPLIT, DETECTOR) > 0.75
  accuracy(SPLIT) < 0.9
with < or >. The whole 95% interval must be past the bound: for > its lower end,
for < its upper end. A number that cannot be computed fails its rule.`

// ruleError says that a rule of --fail-if holds; the rule itself has been
// printed.
type ruleError struct{ error }

var errRule = ruleError{errors.New("a rule of --fail-if holds")}
