package main

import (
	"strings"
	"testing"
)

// TensorFlow says nothing of its own unless it is asked to.
func TestTensorFlowIsQuiet(t *testing.T) {
	for _, tc := range []struct {
		level string
		loud  bool
	}{{"", false}, {"TF_CPP_MIN_LOG_LEVEL=3", false}, {"TF_CPP_MIN_LOG_LEVEL=0", true}} {
		cmd := process(nil, "extract", "--corpus", small(), "--model", model, "--engine", "tensorflow", "--cache", "none", "--out", t.TempDir())
		if tc.level != "" {
			cmd.Env = append(cmd.Env, tc.level)
		}
		e := run(t, cmd)
		loud := false
		for _, line := range strings.Split(strings.TrimSpace(e.stderr), "\n") {
			loud = loud || !strings.HasPrefix(line, "msg=") && !strings.HasPrefix(line, "level=WARN")
		}
		if e.status != exitDone || loud != tc.loud {
			t.Errorf("%q: status %d, loud %v, stderr:\n%s", tc.level, e.status, loud, e.stderr)
		}
	}
}
