// Package dataset turns a folder of files and an index into time splits, and
// the splits into bytes.
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
// The files are hostile. They are only ever read: [Reader] takes the first
// bytes of regular files below the corpus root, and drops, counts and names
// everything else.
package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"driftbench/internal/regular"
)

// Options is how a corpus is opened. The zero value serves a folder as it is.
type Options struct {
	// ConfigFile replaces the corpus.yaml of the folder.
	ConfigFile string
	// AllowOutside lets names lead out of the root: "../x", absolute paths and
	// symbolic links. It is no key of corpus.yaml, because that file comes
	// with the corpus, and the corpus is what is not trusted.
	AllowOutside bool
}

// Corpus is an opened corpus.
type Corpus struct {
	Config            // with the Train.Holdout that was used
	Rows        []Row // of the index, in its order; with a split file those that it names, in its order
	Splits      Splits
	Warnings    []string // one line each, safe to print
	IndexSHA256 string   // of the index file, in hex
}

// Load reads the configuration and the index of the corpus in dir and makes
// its splits. It touches no other file.
func Load(dir string, opt Options) (*Corpus, error) {
	c := new(Corpus)
	var err error
	if opt.ConfigFile != "" {
		c.Config, err = LoadConfigFile(dir, opt.ConfigFile)
	} else {
		c.Config, err = LoadConfig(dir)
	}
	if err != nil {
		return nil, err
	}
	c.AllowOutside = opt.AllowOutside

	f, _, err := regular.Open(c.IndexPath())
	if err != nil {
		return nil, fmt.Errorf("dataset: opening the index: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	c.Rows, c.Warnings, err = readIndex(io.TeeReader(f, hash), c.IndexPath(), c.Config)
	if err != nil {
		return nil, err
	}
	c.IndexSHA256 = hex.EncodeToString(hash.Sum(nil))
	if err := c.split(); err != nil {
		return nil, err
	}
	return c, nil
}
