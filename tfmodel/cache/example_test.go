package cache_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"

	"driftbench/tfmodel/cache"
)

// The second run has one file more, and computes only that.
func ExampleCache_Run() {
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	scope := cache.Scope{Model: "sha256 of the model", Engine: "length", Widths: []int{1}}
	engine := func(dst [][]float32, files [][]byte) error {
		for i, f := range files {
			dst[0][i] = float32(len(f))
		}
		fmt.Println("computing", len(files))
		return nil
	}
	for _, files := range [][][]byte{
		{[]byte("a"), []byte("bb")},
		{[]byte("a"), []byte("ccc"), []byte("bb")},
	} {
		c, err := cache.Open(dir, scope, slog.Default())
		if err != nil {
			panic(err)
		}
		keys := make([]cache.Key, len(files))
		for i, f := range files {
			keys[i] = sha256.Sum256(f)
		}
		dst := [][]float32{make([]float32, len(files))}
		computed, err := c.Run(dst, keys, files, nil, engine)
		fmt.Println(computed, dst[0], err)
	}
	// Output:
	// computing 2
	// [0 1] [1 2] <nil>
	// computing 1
	// [1] [1 3 2] <nil>
}
