package index

import "testing"

func TestGroupOf(t *testing.T) {
	for field, want := range map[string]string{
		"numpy 1.13.1": "numpy 1.13.1", " a\t": "a", "0": "0", "nobody": "nobody", "singletons": "singletons",
		"": "", " ": "", "-": "", "N/A": "", "none": "", "Unknown": "", "NaN": "", "null": "",
		"SINGLETON:0f3a": "", "SINGLETON": "",
		"F34D5F2D4577ED6D9CEEC516C1F5A744": "", "dae02f32a21e03ce65412f6e56942daa": "",
		"f34d5f2d4577ed6d9ceec516c1f5a745": "f34d5f2d4577ed6d9ceec516c1f5a745",
	} {
		if got := groupOf(field); got != want {
			t.Errorf("%q is the group %q, want %q", field, got, want)
		}
	}
}
