package archive_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"driftbench/bench/files/archive"
)

// The first bytes of every sample in a zip with the usual password.
func Example() {
	f, err := os.Open("testdata/zip/zipcrypto-deflated.zip")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	ctx := context.Background()
	a, err := archive.Open(ctx, f.Name(), f, archive.Options{Password: "infected"})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	buf := make([]byte, 8)
	for i, m := range a.Members() {
		n, size, err := a.Read(ctx, i, buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %q of %d bytes\n", m.Name, buf[:n], size)
	}
	// Output:
	// empty: "" of 0 bytes
	// short: "MZ short" of 8 bytes
	// folder/zeros: "MZ\x00\x00\x00\x00\x00\x00" of 70002 bytes
	// folder/noise: "MZ\x18\xd6\xe1\xca¨" of 5002 bytes
	// text: "0 lines " of 36890 bytes
}
