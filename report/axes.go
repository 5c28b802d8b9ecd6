package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// categories are names along an axis, each with a note such as its number of
// files.
type categories struct{ names, notes []string }

func (c *categories) add(name, note string) {
	c.names = append(c.names, shorten(clean(name), 22))
	c.notes = append(c.notes, note)
}

// side is the room to the left of a panel's data, for deciding what fits.
const side = 60 * vg.Length(1)

// turned reports whether the names have to stand upright to fit in a panel of
// that width, and how long the longest then is.
func (c categories) turned(width vg.Length) (bool, vg.Length) {
	sty := tickStyle()
	slot := (width - side) / vg.Length(max(1, len(c.names)))
	fits, longest := true, vg.Length(0)
	for i, name := range c.names {
		fits = fits && max(sty.Width(name), sty.Width(c.notes[i])) < slot-4
		longest = max(longest, sty.Width(c.upright(i)))
	}
	return !fits, longest
}

func (c categories) upright(i int) string {
	if c.notes[i] == "" {
		return c.names[i]
	}
	return c.names[i] + ", " + c.notes[i]
}

// height is base inches and the room of names that stand upright.
func (c categories) height(base vg.Length) func(vg.Length) vg.Length {
	return func(width vg.Length) vg.Length {
		if turned, longest := c.turned(width); turned {
			return base*vg.Inch + longest
		}
		return base * vg.Inch
	}
}

// set puts the names at 0, 1, … of the x axis.
func (c categories) set(p *plot.Plot, width vg.Length) {
	sty := &p.X.Tick.Label
	turned, _ := c.turned(width)
	if turned {
		sty.Rotation, sty.XAlign, sty.YAlign = math.Pi/2, draw.XRight, draw.YCenter
	}
	ticks := make([]plot.Tick, len(c.names))
	for i, name := range c.names {
		ticks[i] = plot.Tick{Value: float64(i), Label: name}
		switch {
		case turned:
			ticks[i].Label = c.upright(i) + "  " // the end is at the axis: keep off it
		case c.notes[i] != "":
			ticks[i].Label += "\n" + c.notes[i]
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Tick.Length = 0
	p.X.Min, p.X.Max = -0.5, float64(len(c.names))-0.5
}

// setAUROC bounds the y axis by what is drawn, always with 0.5.
func setAUROC(p *plot.Plot, ps []point) {
	lo, hi := 0.45, 0.7
	for _, q := range ps {
		for _, y := range []float64{q.y, q.lo, q.hi} {
			if finite(y) {
				lo, hi = min(lo, y), max(hi, y)
			}
		}
	}
	p.Y.Min = max(0, math.Floor(lo*20-0.2)/20)
	p.Y.Max = min(1, math.Ceil(hi*20+0.2)/20)
	p.Y.Tick.Marker = tenths("no drift ")
}

// tenths ticks every tenth, labelled, and every twentieth. Its text stands
// before the label of 0.5.
type tenths string

// Ticks implements plot.Ticker.
func (n tenths) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for i := int(math.Ceil(lo*20 - 1e-9)); i <= int(math.Floor(hi*20+1e-9)); i++ {
		t := plot.Tick{Value: float64(i) / 20}
		if i%2 == 0 {
			t.Label = strconv.FormatFloat(t.Value, 'f', 1, 64)
		}
		if i == 10 {
			t.Label = string(n) + t.Label
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// shareTicks labels an axis of shares in percent.
type shareTicks struct{}

// Ticks implements plot.Ticker.
func (shareTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = strconv.FormatFloat(math.Round(t.Value*1e4)/100, 'f', -1, 64) + "%"
		}
	}
	return ticks
}

// scoreTicks labels an axis of scores with as many decimals as its ticks need:
// the default ticks round some of them to the same label.
type scoreTicks struct{}

// Ticks implements plot.Ticker.
func (scoreTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	decimals := 0
	for _, t := range ticks {
		for !t.IsMinor() && decimals < 12 {
			shown, _ := strconv.ParseFloat(strconv.FormatFloat(t.Value, 'f', decimals, 64), 64)
			if math.Abs(shown-t.Value) < 1e-6*(hi-lo) {
				break
			}
			decimals++
		}
	}
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = fixed(Num(t.Value), decimals)
			if math.Abs(t.Value) >= 1e6 {
				ticks[i].Label = strconv.FormatFloat(t.Value, 'g', 4, 64)
			}
		}
	}
	return ticks
}
