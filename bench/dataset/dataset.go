// Package dataset turns a folder of files and an index into time splits.
//
// A corpus is a folder with an index, dataset.csv (name,label,first_seen and,
// optionally, group), and optionally a corpus.yaml, see [Config]. The rows whose
// month lies in the training span are shuffled; a share of them fit the
// detectors, the rest are In: files of the same time that the model has not seen.
// Files of one group, such as a release or a campaign, resemble each other, so
// where groups are known they are held out whole; otherwise the first fit·n of
// the shuffle fit. Every test span gives one Out split, of which a share is
// drawn. Shuffle and draw are exactly those of pandas,
//
//	DataFrame.sample(frac=share, random_state=seed)
//
// that is NumPy's legacy RandomState: MT19937 (Matsumoto and Nishimura 1998)
// seeded with one integer, a Fisher-Yates shuffle by masked rejection, and the
// first round(share·n) of it, halves to even. So the rows and their order are
// those of an analysis made with pandas.
//
// The files are found and read by package files.
package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"driftbench/bench/dataset/index"
)

// Options is how a corpus is opened. The zero value serves a folder as it is. What
// is set counts before the configuration. Relative paths are from the working
// directory.
type Options struct {
	// ConfigFile replaces the corpus.yaml of the folder.
	ConfigFile string
	// Index is the index, and Files the places that hold the files.
	Index string
	Files []string
	// LabelsFrom, GroupsFrom, Query and SkipBad say how the index is read, see
	// [index.Options].
	LabelsFrom, GroupsFrom string
	Query                  string
	SkipBad                float64
	// AllowOutside lets names lead out of the root, and paths of the configuration
	// out of the corpus folder: "../x", absolute paths, symbolic links and, as a
	// root, object stores. It is no key of corpus.yaml, because that file comes
	// with the corpus, and the corpus is what is not trusted. Paths in Options are
	// the user's own.
	AllowOutside bool
	// Raw reads packed files as they are, see [files.Options].
	Raw bool
	// Strict makes a file that a disk fails to give back an error, see [files.Options].
	Strict bool
	// Trim is a prefix that is cut from every name.
	Trim string
	// Password opens encrypted archives; "" is [files.DefaultPassword].
	Password string
}

// Corpus is an opened corpus.
type Corpus struct {
	Config         // with the Train.Holdout that was used
	Rows     []Row // of the index, in its order; with a split file those that it names, in its order
	Splits   Splits
	Index    index.Summary // of what was read; its Columns are those that were used
	Warnings []string      // of the index and of the splits, one line each, safe to print
}

// LoadRows reads the configuration and the index as Load does, without making
// splits. Keep says of which rows, by their number in the order of the index, it
// keeps any.
func LoadRows(dir string, opt Options, keep func(number int) bool) (*Corpus, error) {
	c := new(Corpus)
	var err error
	if c.Config, err = opt.config(dir); err != nil {
		return nil, err
	}
	r := newRowReader(&c.Config)
	r.keep = keep
	s, err := index.Read(c.IndexPath(), c.indexOptions(), r.add)
	if c.Rows, c.Index, err = r.finish(c.IndexPath(), s, err); err != nil {
		return nil, err
	}
	c.Warnings = c.Index.Warnings
	return c, nil
}

// LoadFiles returns a configuration that says where files are and how names match
// theirs, and has no index.
func LoadFiles(opt Options) (c Config, err error) {
	if c = DefaultConfig(); opt.ConfigFile != "" {
		if c, err = LoadConfigFile(filepath.Dir(opt.ConfigFile), opt.ConfigFile); err != nil {
			return c, err
		}
	}
	return c, opt.set(&c)
}

// Load reads the configuration and the index of the corpus in dir and makes
// its splits. It touches no other file. Without dir the folder of opt.ConfigFile
// takes its place, or else that of opt.Index. Where the splits cannot be made it
// returns beside the error what was said of the index.
func Load(dir string, opt Options) (*Corpus, error) {
	c := new(Corpus)
	var err error
	if c.Config, err = opt.config(dir); err != nil {
		return nil, err
	}
	if c.Rows, c.Index, err = readIndexFile(&c.Config); err != nil {
		return nil, err
	}
	c.Warnings = c.Index.Warnings
	return c, c.split()
}

// config returns the configuration of the corpus in dir with what opt sets.
func (opt Options) config(dir string) (c Config, err error) {
	switch {
	case dir == "" && opt.ConfigFile != "":
		c, err = LoadConfigFile(filepath.Dir(opt.ConfigFile), opt.ConfigFile)
	case dir == "" && opt.Index != "":
		c = DefaultConfig()
		c.Dir = filepath.Dir(opt.Index)
	case dir == "":
		return c, errors.New("dataset: neither a corpus folder nor an index is given")
	case opt.ConfigFile != "":
		c, err = LoadConfigFile(dir, opt.ConfigFile)
	default:
		folder := Config{Dir: dir, AllowOutside: opt.AllowOutside}
		if err = folder.checkInside("the configuration", configName, "--config"); err == nil {
			c, err = LoadConfig(dir)
		} else {
			err = fmt.Errorf("dataset: %s: %w", dir, err)
		}
	}
	if err != nil {
		return c, err
	}
	if err := opt.set(&c); err != nil {
		return c, err
	}
	return c, c.validateIndex()
}

// set sets what counts before a configuration.
func (opt Options) set(c *Config) (err error) {
	c.AllowOutside, c.Raw, c.Password, c.Strict = opt.AllowOutside, opt.Raw, opt.Password, opt.Strict
	if err := opt.checkPaths(c); err != nil {
		from := cmp.Or(opt.ConfigFile, filepath.Join(c.Dir, configName))
		if _, gone := os.Stat(from); gone != nil { // the paths are those of a folder without it
			from = c.Dir
		}
		return fmt.Errorf("dataset: %s: %w", from, err)
	}
	if opt.Trim != "" {
		c.Trim = opt.Trim
	}
	fromHere := func(path string) (string, error) {
		if filepath.IsAbs(path) || isURL(path) {
			return path, nil
		}
		return filepath.Abs(path)
	}
	if opt.Index != "" {
		if c.Index = filepath.Base(opt.Index); c.Dir != filepath.Dir(opt.Index) {
			c.Index, err = fromHere(opt.Index)
		}
	}
	for _, set := range []struct {
		to   *string
		path string
	}{{&c.LabelsFrom, opt.LabelsFrom}, {&c.GroupsFrom, opt.GroupsFrom}} {
		if set.path != "" && err == nil {
			*set.to, err = fromHere(set.path)
		}
	}
	if len(opt.Files) > 0 {
		c.Files = nil
	}
	for _, place := range opt.Files {
		if place == "" {
			err = errors.New("a place of the files is empty")
			break
		}
		var from string
		if from, err = fromHere(place); err != nil {
			break
		}
		c.Files = append(c.Files, from)
	}
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if opt.Query != "" {
		c.Query = opt.Query
	}
	if opt.SkipBad != 0 {
		c.SkipBad = opt.SkipBad
	}
	return nil
}

// checkPaths checks the paths of a configuration in whose place opt sets none.
func (opt Options) checkPaths(c *Config) error {
	type named struct {
		what, path, option string
		set                bool // by opt
	}
	paths := []named{
		{"index", c.Index, "--index", opt.Index != ""},
		{"labels_from", c.LabelsFrom, "--labels-from", opt.LabelsFrom != ""},
		{"groups_from", c.GroupsFrom, "--groups-from", opt.GroupsFrom != ""},
		{"split", c.SplitFile, "", false},
	}
	places := c.Files
	if len(places) == 0 {
		places = []string{c.Root}
	}
	for _, place := range places {
		paths = append(paths, named{"root", place, "--files", len(opt.Files) > 0})
	}
	for _, p := range paths {
		if p.set {
			continue
		}
		if err := c.checkInside(p.what, p.path, p.option); err != nil {
			return err
		}
	}
	return nil
}
