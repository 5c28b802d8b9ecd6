package report

// section is one part of the page.
type section struct {
	id, title string
	read      string // one sentence on how to read it
	notes     []string
	figures   []figure
	tables    []table
}
