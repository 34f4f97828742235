package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plots are what grows with the number of subscribers, each system a line.
var plots = []struct {
	file, title, y string
	value          func(*report) float64
}{
	{"cpu.svg", "Server CPU a delivery, 20 events/s", "µs", perDelivery},
	{"latency.svg", "Time on the way, 99 of 100, 20 events/s", "ms", func(r *report) float64 { return r.Delivery.P99 }},
	{"memory.svg", "RSS a connection while events flow", "KiB", func(r *report) float64 { return r.Connect.RSSEach / 1024 }},
}

var (
	plotted     = []*system{sluice, floorEach, nchan, r3labs, gosse}
	subscribers = []int{100, 300, 1000, 2000, 3000}
)

func (b *bench) plot(ctx context.Context) error {
	lines := make([]map[string]plotter.XYs, len(plots))
	for i := range lines {
		lines[i] = map[string]plotter.XYs{}
	}
	for _, s := range plotted {
		for _, n := range subscribers {
			m, err := b.load(ctx, s, words("-e 100 -r 20 --wait 20s --hold 2s -n "+strconv.Itoa(n)))
			if err != nil {
				return fmt.Errorf("plotting %s with %d: %w", s.name, n, err)
			}
			for i := range plots {
				lines[i][s.name] = append(lines[i][s.name], plotter.XY{X: float64(n), Y: plots[i].value(m)})
			}
			fmt.Fprintf(os.Stderr, "plot: %-22s %5d subscribers\n", s.name, n)
		}
	}
	for i := range plots {
		if err := b.draw(i, lines[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) draw(i int, lines map[string]plotter.XYs) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = plots[i].title, "subscribers", plots[i].y
	p.Y.Min, p.Legend.Top, p.Legend.Left = 0, true, true
	var all []any
	for _, s := range plotted {
		all = append(all, s.name, lines[s.name])
	}
	if err := plotutil.AddLinePoints(p, all...); err != nil {
		return fmt.Errorf("drawing %s: %w", plots[i].file, err)
	}
	p.Y.Min = 0
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, filepath.Join(b.root, "docs", "plots", plots[i].file))
}
