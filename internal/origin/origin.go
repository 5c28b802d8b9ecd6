// Package origin says which model and engine computed numbers, and whether two
// sets of numbers may be joined. Outputs of two models, or scores of one model and
// a fit of another, have the same shape and mean different things, so a difference
// of models or of layers is an error. Engines of one model agree but for rounding,
// about 1e-5 of a value, so a difference of engines is a warning.
package origin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Origin is what computed features, or the numbers that were made from them. What
// is empty is not known.
type Origin struct {
	ModelSHA256 string `json:"model_sha256,omitempty"` // of the model's graph, variables and description
	// EngineIdentity is the same for engines that compute the same bits.
	EngineIdentity string  `json:"engine_identity,omitempty"`
	Layers         []Layer `json:"layers,omitempty"` // outputs of the model
}

// Layer is an output of the model.
type Layer struct {
	Name  string `json:"name"`
	Width int    `json:"width"` // values a file
}

// Known reports whether o names a model, an engine and layers.
func (o Origin) Known() bool {
	return o.ModelSHA256 != "" && o.EngineIdentity != "" && len(o.Layers) > 0
}

// Part is something that is to be joined with others, and where it comes from.
type Part struct {
	Name string // of the thing in messages, such as "the fit file 2017.fit"
	Origin
}

// MismatchError reports parts that do not belong together.
type MismatchError struct {
	A, B   string // names of the parts
	Detail string // how they differ, and what to do
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s and %s do not belong together: %s", e.A, e.B, e.Detail)
}

// Join checks that parts belong together, and returns the origin that they share:
// of each of its fields the first that is known. Different models, or layers of
// different names or widths, are a [*MismatchError]. The warnings name engines that
// differ, and parts that do not say where they come from.
func Join(parts ...Part) (all Origin, warnings []string, err error) {
	var model, engine, layers Part // the first that knows each
	var unknown []string
	for _, p := range parts {
		if !p.Known() {
			unknown = append(unknown, p.Name)
		}
		switch {
		case p.ModelSHA256 == "":
		case model.ModelSHA256 == "":
			model = p
		case p.ModelSHA256 != model.ModelSHA256:
			return all, nil, &MismatchError{model.Name, p.Name, fmt.Sprintf("they are of the models %s and %s (SHA-256): make both with the same model", Short(model.ModelSHA256), Short(p.ModelSHA256))}
		}
		switch {
		case len(p.Layers) == 0:
		case len(layers.Layers) == 0:
			layers = p
		case !sameLayers(p.Layers, layers.Layers):
			return all, nil, &MismatchError{layers.Name, p.Name, fmt.Sprintf("they have the layers %s and %s: make both with the same model", describe(layers.Layers), describe(p.Layers))}
		}
		switch {
		case p.EngineIdentity == "":
		case engine.EngineIdentity == "":
			engine = p
		case p.EngineIdentity != engine.EngineIdentity && len(warnings) == 0:
			warnings = append(warnings, fmt.Sprintf("%s and %s were computed by different engines, %q and %q: they differ by rounding, about 1e-5 of a value; use one engine where that matters", engine.Name, p.Name, engine.EngineIdentity, p.EngineIdentity))
		}
	}
	if len(unknown) > 0 {
		const most = 3
		names := strings.Join(unknown[:min(most, len(unknown))], ", ")
		if n := len(unknown) - most; n > 0 {
			names += fmt.Sprintf(" and %d more", n)
		}
		verb := "does"
		if len(unknown) > 1 {
			verb = "do"
		}
		warnings = append(warnings, fmt.Sprintf("%s %s not say which model and engine computed %s, so whether everything is of one model is not checked: make %[3]s again with this driftbench",
			names, verb, map[bool]string{false: "it", true: "them"}[len(unknown) > 1]))
	}
	return Origin{model.ModelSHA256, engine.EngineIdentity, layers.Layers}, warnings, nil
}

// Short returns the first 12 digits of a hash, for messages.
func Short(hash string) string { return hash[:min(12, len(hash))] }

// sameLayers compares layers in any order.
func sameLayers(a, b []Layer) bool {
	byName := func(a, b Layer) int { return cmp.Compare(a.Name, b.Name) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName))
}

// describe names the first layers with their widths.
func describe(layers []Layer) string {
	const most = 8
	var all []string
	for _, l := range layers[:min(most, len(layers))] {
		all = append(all, fmt.Sprintf("%.40q (%d wide)", l.Name, l.Width))
	}
	if n := len(layers) - most; n > 0 {
		all = append(all, fmt.Sprintf("%d more", n))
	}
	return strings.Join(all, ", ")
}
