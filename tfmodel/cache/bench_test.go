package cache

import (
	"fmt"
	"log/slog"
	"testing"
)

// filled is a store of 20,000 entries.
func filled(b *testing.B) *Cache {
	const entries, batch = 20000, 500
	c, err := Open(b.TempDir(), testScope, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < entries; from += batch {
		c.Put(testKeys(from, batch), newRows(testScope, batch))
	}
	return c
}

func BenchmarkGet(b *testing.B) {
	c := filled(b)
	for _, n := range []int{32, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			keys, rows := testKeys(5000, n), newRows(testScope, n)
			for b.Loop() {
				if missing := c.Get(rows, keys); len(missing) > 0 {
					b.Fatal("missing")
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func BenchmarkPut(b *testing.B) {
	c := filled(b)
	next := 1 << 20
	for _, n := range []int{32, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			rows := newRows(testScope, n)
			for b.Loop() {
				c.Put(testKeys(next, n), rows) // new ones
				next += n
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	c := filled(b)
	b.Run("entries=20000", func(b *testing.B) {
		for b.Loop() {
			if _, err := Open(c.store.dir, testScope, slog.New(slog.DiscardHandler)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
