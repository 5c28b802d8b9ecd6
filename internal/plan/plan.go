// Package plan checks labels and splits wherever they are read: in corpus.yaml, in
// the manifest of features, in a fit file and in results.json.
package plan

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"driftbench/internal/text"
)

// Labels returns an error unless labels can be the classes of a model in order: at
// least one, none empty and none there twice.
func Labels(labels []string) error {
	for i, l := range labels {
		if strings.TrimSpace(l) == "" {
			return fmt.Errorf("labels: label %d is empty", i+1)
		}
	}
	return Distinct(labels)
}

// Distinct is Labels for what was found in rows, of which one may have no label.
func Distinct(labels []string) error {
	if len(labels) == 0 {
		return errors.New("labels: name at least one class")
	}
	seen := make(map[string]bool, len(labels))
	for _, l := range labels {
		if seen[l] {
			return fmt.Errorf("labels: %s is there twice", text.Quote(l))
		}
		seen[l] = true
	}
	return nil
}

// Split is a split as files describe it.
type Split struct {
	Name     string
	Role     string // "fit", "in" or "out"
	From, To string // YYYY-MM, inclusive; "" where not known
}

// Splits returns an error unless splits can be those of one run: their names are
// different and name files, at most one is fit and one In, and none ends before it
// begins.
func Splits(splits []Split) error {
	names, roles := make(map[string]bool, len(splits)), map[string]string{}
	for i, s := range splits {
		name := text.Quote(s.Name)
		switch {
		case s.Name == "":
			return fmt.Errorf("splits: split %d has no name", i+1)
		case strings.ContainsAny(s.Name, "/\\\x00") || s.Name == "." || s.Name == "..":
			return fmt.Errorf("splits: %s cannot name a file", name)
		case names[s.Name]:
			return fmt.Errorf("splits: %s is there twice", name)
		}
		names[s.Name] = true
		switch s.Role {
		case "fit", "in":
			if other, ok := roles[s.Role]; ok {
				return fmt.Errorf("splits: %s and %s both have the role %s", text.Quote(other), name, s.Role)
			}
			roles[s.Role] = s.Name
		case "out":
		default:
			return fmt.Errorf("splits: %s has the role %s: want fit, in or out", name, text.Quote(s.Role))
		}
		for _, month := range []string{s.From, s.To} {
			if _, err := time.Parse("2006-01", month); month != "" && err != nil {
				return fmt.Errorf("splits: %s: month %s: want YYYY-MM", name, text.Quote(month))
			}
		}
		if s.From != "" && s.To != "" && s.To < s.From {
			return fmt.Errorf("splits: %s runs from %s to %s", name, s.From, s.To)
		}
	}
	return nil
}
