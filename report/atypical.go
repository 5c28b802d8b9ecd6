package report

import "fmt"

// atypicalSection lists the files to look at next.
func atypicalSection(v view) section {
	s := section{
		id: "atypical", title: "Files to look at next",
		tables: []table{atypicalTable(v)},
		read:   "The files of the last split that are least like the training span, the most atypical first: a list to label from.",
	}
	if a := v.Atypical; a != nil {
		s.notes = []string{fmt.Sprintf("The score is that of %s; files with equal scores are ordered by the layer score, which is that of mahalanobis in %s. The nearest class is the one whose training files have the nearest mean in that layer; where it is not the label, look at the file and its label.", short(a.Detector, 40), short(nearestLayer(a), 40))}
	}
	return s
}

func nearestLayer(a *Atypical) string {
	if a.Layer == "" {
		return "no layer, as there is no Gaussian"
	}
	return a.Layer
}

// atypicalShown is how many files the page lists; the CSV file has all.
const atypicalShown = 10

func atypicalTable(v view) table {
	t := table{name: "atypical", empty: "The run has no list of atypical files.",
		columns: []column{{title: "File", csv: []string{"name", "sha256"}}, textColumn("Family", "label"), textColumn("First seen", "first_seen"), numColumn("Score", "score"), numColumn("Layer score", "layer_score"),
			numColumn("In files below", "in_below"), textColumn("Nearest class", "nearest"), textColumn("Model says", "predicted"), textColumn("Group", "group")}}
	a := v.Atypical
	if a == nil {
		return t
	}
	t.caption = "The most atypical files of " + short(a.Split, 40)
	for _, f := range a.Files {
		name := textCell(f.Name)
		name.csv = append(name.csv, textCell(f.SHA256).csv...)
		t.rows = append(t.rows, []cell{name, textCell(f.Label), textCell(f.FirstSeen), numCell(f.Score, significant), numCell(f.LayerScore, significant),
			numCell(f.InBelow, percent), textCell(f.Nearest), textCell(f.Predicted), textCell(f.Group)})
	}
	if len(t.rows) > atypicalShown {
		t.shown = atypicalShown
		t.caption += fmt.Sprintf(" (%d of %d; the file has all)", atypicalShown, len(t.rows))
	}
	return t
}
