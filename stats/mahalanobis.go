package stats

// gaussians are the Gaussian fits of one layer; several detectors share them.
type gaussians struct {
	moments    *Moments // nil until a detector needs them
	tied       *TiedGaussian
	background *TiedGaussian // all classes as one

	unitMoments *Moments // of features at unit length
	unit        *TiedGaussian
}

// mahalanobis scores by one tied Gaussian.
type mahalanobis struct {
	layer string
	g     *TiedGaussian
}

func (d *Detectors) layerGaussians(layer string) *gaussians {
	g, ok := d.gaussian[layer]
	if !ok {
		g = &gaussians{}
		d.gaussian[layer] = g
	}
	return g
}

// tied fits the tied Gaussian of a layer once.
func (d *Detectors) tied(t *Training, layer string) (*TiedGaussian, error) {
	g := d.layerGaussians(layer)
	if g.tied != nil {
		return g.tied, nil
	}
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	m := NewMoments(t.NumClasses, x.Cols)
	if err := m.Add(x, t.Classes); err != nil {
		return nil, inLayer(layer, err)
	}
	if g.tied, err = NewTiedGaussian(m); err != nil {
		return nil, inLayer(layer, err)
	}
	g.moments = m
	return g.tied, nil
}

func (d *Detectors) fitMahalanobis(t *Training, layer string) (detector, error) {
	g, err := d.tied(t, layer)
	return &mahalanobis{layer, g}, err
}

// fitUnit is Mahalanobis++: Mueller & Hein, "Mahalanobis++: Improving OOD
// Detection via Feature Normalization", ICML 2025. Feature norms that vary
// among files break the shared covariance; at unit length they cannot.
func (d *Detectors) fitUnit(t *Training, layer string) (detector, error) {
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	m := NewMoments(t.NumClasses, x.Cols)
	if err := m.AddUnit(x, t.Classes); err != nil {
		return nil, inLayer(layer, err)
	}
	g := d.layerGaussians(layer)
	if err := g.fitUnit(m); err != nil {
		return nil, inLayer(layer, err)
	}
	return &mahalanobis{layer, g.unit}, nil
}

func (g *gaussians) fitUnit(m *Moments) error {
	unit, err := NewTiedGaussian(m)
	if err != nil {
		return err
	}
	unit.unit = true
	g.unit, g.unitMoments = unit, m
	return nil
}

func (m *mahalanobis) score(dst []float64, x Features) error {
	rows, err := x.layer(m.layer)
	if err != nil {
		return err
	}
	return inLayer(m.layer, m.g.Score(dst, rows))
}

// relative is the Relative Mahalanobis distance: Ren et al., "A Simple Fix to
// Mahalanobis Distance for Improving Near-OOD Detection", 2021. With d_0 the
// distance under one Gaussian for all classes,
//
//	score(f) = max_c(−d_c²) + d_0².
type relative struct {
	layer            string
	tied, background *TiedGaussian
}

func (d *Detectors) fitRelative(t *Training, layer string) (detector, error) {
	tied, err := d.tied(t, layer)
	if err != nil {
		return nil, err
	}
	g := d.gaussian[layer]
	if err := g.fitBackground(); err != nil {
		return nil, inLayer(layer, err)
	}
	return &relative{layer, tied, g.background}, nil
}

func (g *gaussians) fitBackground() (err error) {
	if g.background == nil {
		g.background, err = NewTiedGaussian(g.moments.Pooled())
	}
	return err
}

func (r *relative) score(dst []float64, x Features) error {
	rows, err := x.layer(r.layer)
	if err != nil {
		return err
	}
	if err := r.tied.distances(dst, rows, func(_, near float64) float64 { return -near }); err != nil {
		return inLayer(r.layer, err)
	}
	return inLayer(r.layer, r.background.distances(dst, rows,
		func(score, background float64) float64 { return score + background }))
}
