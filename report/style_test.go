package report

import (
	"fmt"
	"image/color"
	"testing"
)

// No two series look alike, and the usual detectors look the same in every
// run, whatever others there are.
func TestStyles(t *testing.T) {
	seen := map[string]int{}
	colors := map[color.NRGBA]bool{}
	for i := range 14 { // of a network with two feature layers
		colors[seriesStyle(i).color] = true
	}
	if len(colors) != 14 {
		t.Errorf("14 detectors have %d colours", len(colors))
	}
	for i := range 220 {
		key := fmt.Sprint(seriesStyle(i).color, seriesStyle(i).dashes, fmt.Sprintf("%T", seriesStyle(i).glyph))
		if j, twice := seen[key]; twice {
			t.Fatalf("series %d and %d look alike: %s", i, j, key)
		}
		seen[key] = i
	}
	some := detectorStyles([]Detector{{Name: "mahalanobis/layer8"}})
	more := detectorStyles([]Detector{{Name: "energy"}, {Name: "msp"}, {Name: "mahalanobis/layer8"}})
	if fmt.Sprint(some["mahalanobis/layer8"]) != fmt.Sprint(more["mahalanobis/layer8"]) {
		t.Error("another detector changed the look of mahalanobis/layer8")
	}
	for _, name := range []string{"energy", "msp"} {
		for _, usual := range preferred() {
			if more[name].color == more[usual].color {
				t.Errorf("%s has the colour of %s", name, usual)
			}
		}
	}
}
