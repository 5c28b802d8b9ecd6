package tfmodel

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"driftbench/internal/regular"
	"driftbench/tfmodel/windows"
)

// The files of a SavedModel beside its graph.
const (
	shapeFile     = "assets.extra/malconv.json"
	trainedOnFile = "assets.extra/trained_on.sha256"
)

// readExtras reads what the conversion left in assets.extra, all optional.
func (m *Model) readExtras() error {
	b, err := regular.Read(filepath.Join(m.Dir, shapeFile), 1<<20)
	switch {
	case err == nil:
		m.Shape = new(Shape)
		if err := json.Unmarshal(b, m.Shape); err != nil {
			return fmt.Errorf("%s: %w", shapeFile, err)
		}
		if err := m.checkShape(); err != nil {
			return fmt.Errorf("%s %w: the model was mixed up, convert it again", shapeFile, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}

	b, err = regular.Read(filepath.Join(m.Dir, trainedOnFile), 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m.TrainedOn = make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		sum := strings.TrimSpace(lines.Text())
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
			return fmt.Errorf("%s:%d: %.80q is no SHA-256 digest", trainedOnFile, n, sum)
		}
		m.TrainedOn[strings.ToLower(sum)] = true
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", trainedOnFile, err)
	}
	return nil
}

// checkShape holds the description against the signature and itself.
func (m *Model) checkShape() error {
	s := m.Shape
	if s.MaxLen != m.MaxLen {
		return fmt.Errorf("says maxlen %d, the signature %d", s.MaxLen, m.MaxLen)
	}
	for _, l := range m.Layers {
		if l.Name == "layer7" && l.Width != s.Filters {
			return fmt.Errorf("says filters %d, the signature's layer7 is %d wide", s.Filters, l.Width)
		}
	}
	if s.Window < 1 || s.Window > windows.MaxWindow {
		return fmt.Errorf("says window %d, want 1 to %d", s.Window, windows.MaxWindow)
	}
	// Padding "valid" leaves a rest of the file out, "same" fills a last window.
	valid, same := s.MaxLen/s.Window, (s.MaxLen+s.Window-1)/s.Window
	if s.Windows < max(valid, 1) || s.Windows > same {
		return fmt.Errorf("says windows %d, want %d or %d", s.Windows, valid, same)
	}
	if lead := max(s.Windows*s.Window-s.MaxLen, 0) / 2; s.Lead != lead {
		return fmt.Errorf("says lead %d, want %d", s.Lead, lead)
	}
	if s.Pad < 0 || s.Pad >= s.Vocabulary {
		return fmt.Errorf("says pad %d, which is no symbol of the vocabulary of %d", s.Pad, s.Vocabulary)
	}
	return nil
}

// hashModel digests every file that decides the outputs, names included.
func hashModel(dir string) (string, error) {
	names := []string{shapeFile, "saved_model.pb"}
	variables, err := os.ReadDir(filepath.Join(dir, "variables"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, v := range variables {
		names = append(names, path.Join("variables", v.Name()))
	}
	h := sha256.New()
	for _, name := range names {
		f, info, err := regular.Open(filepath.Join(dir, name))
		if name == shapeFile && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, info.Size())
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
