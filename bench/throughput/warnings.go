package throughput

import (
	"fmt"
	"io"
	"slices"
)

// warnings collects the warnings of a comparison, and the cells they apply to.
type warnings struct {
	texts  []string // in order of appearance, without repetition
	places [][]string
}

func (w *warnings) warn(text, place string) {
	i := slices.Index(w.texts, text)
	if i < 0 {
		i = len(w.texts)
		w.texts, w.places = append(w.texts, text), append(w.places, nil)
	}
	if !slices.Contains(w.places[i], place) {
		w.places[i] = append(w.places[i], place)
	}
}

// write writes every warning once, with the first of its places.
func (w *warnings) write(out io.Writer) error {
	for i, text := range w.texts {
		more := ""
		if n := len(w.places[i]); n > 1 {
			more = fmt.Sprintf(", and %d more", n-1)
		}
		if _, err := fmt.Fprintf(out, "warning: %s: %s%s\n", text, w.places[i][0], more); err != nil {
			return err
		}
	}
	return nil
}
