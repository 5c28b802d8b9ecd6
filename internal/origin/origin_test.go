package origin

import (
	"errors"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	layers := []Layer{{"layer7", 128}, {"logits", 4}}
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	full := Origin{a, "table, revision 1", layers}
	for _, tc := range []struct {
		name    string
		x, y    Origin
		joined  Origin
		warning string // a part of the only one
		err     string
	}{
		{"same", full, full, full, "", ""},
		{"layers in another order", full, Origin{a, full.EngineIdentity, []Layer{layers[1], layers[0]}}, full, "", ""},
		{"another model", full, Origin{b, full.EngineIdentity, layers}, Origin{}, "", "X and Y do not belong together: they are of the models aaaaaaaaaaaa and bbbbbbbbbbbb (SHA-256)"},
		{"another model and engine", full, Origin{b, "tensorflow", nil}, Origin{}, "", "bbbbbbbbbbbb"},
		{"another width", full, Origin{a, full.EngineIdentity, []Layer{{"layer7", 64}, {"logits", 4}}}, Origin{}, "", `"layer7" (64 wide)`},
		{"another name", full, Origin{"", "", []Layer{{"layer9", 128}, {"logits", 4}}}, Origin{}, "", `"layer9"`},
		{"a layer less", full, Origin{a, full.EngineIdentity, layers[:1]}, Origin{}, "", "they have the layers"},
		{"another engine", full, Origin{a, "tensorflow 2.20", layers}, full, `"table, revision 1" and "tensorflow 2.20"`, ""},
		{"one unknown", full, Origin{}, full, "Y does not say which model", ""},
		{"the first unknown", Origin{}, full, full, "X does not say which model", ""},
		{"model alone", full, Origin{ModelSHA256: a}, full, "Y does not say", ""},
		{"both unknown", Origin{}, Origin{}, Origin{}, "X, Y do not say", ""},
	} {
		joined, warnings, err := Join(Part{"X", tc.x}, Part{"Y", tc.y})
		if tc.err != "" {
			if _, ok := errors.AsType[*MismatchError](err); !ok || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.err)
			}
			continue
		}
		if err != nil || joined.ModelSHA256 != tc.joined.ModelSHA256 || joined.EngineIdentity != tc.joined.EngineIdentity || !sameLayers(joined.Layers, tc.joined.Layers) {
			t.Errorf("%s: %+v, %v, want %+v", tc.name, joined, err, tc.joined)
		}
		if (tc.warning != "") != (len(warnings) == 1) || len(warnings) > 0 && !strings.Contains(warnings[0], tc.warning) {
			t.Errorf("%s: warns %q, want %q", tc.name, warnings, tc.warning)
		}
	}
}
