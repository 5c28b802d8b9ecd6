package report

import (
	"fmt"
	"slices"
)

const independence = "Every interval and p-value takes the files for independent; files of one release or one campaign are not, and with many of those the intervals are too narrow and the p-values too small."

// dataSection is what the run was made on.
func dataSection(v view) section {
	s := section{
		id: "data", title: "Data",
		read:   "Compare the class mix of the splits: where it shifts, part of the AUROC can be another mix and not other files of a class; the class-balanced AUROC above leaves that out.",
		notes:  []string{v.unseen(), independence},
		tables: []table{splitTable(v), fitTable(v)},
	}
	for _, w := range v.Warnings {
		s.notes = append(s.notes, "Warning: "+clean(w))
	}
	return s
}

// unseen says whether the network was trained on In, on which the meaning of
// AUROC hangs.
func (v view) unseen() string {
	in := v.inName()
	switch v.InUnseen {
	case "unseen":
		return in + " was new to the network: it was not trained on any of its files."
	case "seen":
		return "The network was trained on files of " + in + ": the AUROC then measures memory as well as drift, and is higher than with files that are new to the network; the accuracy on " + in + " is no measure of how well it knew the training span."
	}
	return "It is not known whether the network was trained on files of " + in + "; if it was, the AUROC measures memory as well as drift, and is higher than with files that are new to the network."
}

func splitTable(v view) table {
	t := table{name: "splits", caption: "Files by split and class; duplicates have the bytes of an earlier file of the split, files seen in fit those of a fit file.",
		columns: []column{textColumn("Split", "split"), textColumn("Role", "role"), textColumn("From", "from"), textColumn("To", "to"),
			numColumn("Files", "files"), numColumn("Dropped", "dropped"), numColumn("Duplicates", "duplicates"), numColumn("Seen in fit", "seen_in_fit")}}
	var labels []string
	for _, s := range v.Splits {
		for _, c := range s.Classes {
			if !slices.Contains(labels, c.Label) {
				labels = append(labels, c.Label)
				t.columns = append(t.columns, numColumn(clean(c.Label), "class "+clean(c.Label)))
			}
		}
	}
	roles := map[Role]string{RoleFit: "fit", RoleIn: "In", RoleOut: "Out"}
	for _, s := range v.Splits {
		row := []cell{textCell(s.Name), textCell(roles[s.Role]), textCell(s.From), textCell(s.To),
			countCell(s.Files), countCell(s.Dropped), countCell(s.Duplicates), countCell(s.SeenInFit)}
		for _, label := range labels {
			n := 0
			for _, c := range s.Classes {
				if c.Label == label {
					n = c.Files
				}
			}
			c := countCell(n)
			if s.Files > 0 {
				c.text = fmt.Sprintf("%d (%s)", n, percent(Num(n)/Num(s.Files)))
			}
			row = append(row, c)
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) == 0 {
		t.gap = "The run describes no splits."
	}
	return t
}

func fitTable(v view) table {
	t := table{name: "fits", caption: "Gaussian fit of each layer",
		columns: []column{textColumn("Layer", "layer"), numColumn("Features", "width"), numColumn("Fit rows", "rows"),
			numColumn("Rank of the covariance", "rank"), numColumn("Condition", "condition")}}
	for _, f := range v.Fits {
		t.rows = append(t.rows, []cell{textCell(f.Layer), countCell(f.Width), countCell(f.Rows), countCell(f.Rank), numCell(f.Condition, significant)})
	}
	if len(t.rows) == 0 {
		t.gap = "The run describes no Gaussian fit."
	}
	return t
}

// provenanceSection is how to make the run again.
func provenanceSection(manifest []KeyValue) section {
	t := table{name: "provenance", caption: "From manifest.json",
		columns: []column{textColumn("What", "key"), textColumn("Value", "value")}}
	for _, kv := range manifest {
		t.rows = append(t.rows, []cell{textCell(kv.Key), textCell(kv.Value)})
	}
	if len(t.rows) == 0 {
		t.gap = "The run has no manifest."
	}
	return section{
		id: "provenance", title: "Provenance",
		read:   "Two runs with the same values here give the same numbers above, but for throughput, which each run measures anew.",
		tables: []table{t},
	}
}
