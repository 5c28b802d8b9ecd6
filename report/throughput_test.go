package report

import (
	"strings"
	"testing"
)

// Where a p99 is shown, so is what it is worth with few files.
func TestThroughputNotesP99(t *testing.T) {
	rows := inventedThroughput()
	if s := throughputSection(rows); len(s.notes) > 0 {
		t.Errorf("without a p99: %q", s.notes)
	}
	rows = append(rows, ThroughputRow{Engine: "table", Device: "cpu", Unit: "p99-latency-sec", Batch: 1, Center: 0.01, N: 10})
	if s := throughputSection(rows); len(s.notes) != 1 || !strings.Contains(s.notes[0], "fewer than 100 files") {
		t.Errorf("with a p99: %q", s.notes)
	}
}
