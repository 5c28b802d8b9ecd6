// Command s3server serves a folder over S3 for tests: Versity's S3 gateway with
// nothing but its POSIX backend.
//
//	s3server HOST:PORT FOLDER SIDECAR
//
// Buckets are the folders in FOLDER; ETags and policies lie in SIDECAR. The
// credentials are those of the environment, AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want HOST:PORT FOLDER SIDECAR, have %q", args)
	}
	attributes, err := meta.NewSideCar(args[2])
	if err != nil {
		return err
	}
	backend, err := posix.New(args[1], attributes, posix.PosixOpts{SideCarDir: args[2]})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), backend, &embedgw.Config{
		RootUserAccess:    os.Getenv("AWS_ACCESS_KEY_ID"),
		RootUserSecret:    os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Ports:             []string{args[0]},
		Quiet:             true,
		KeepAlive:         true,
		MaxConnections:    1_000,
		MaxRequests:       1_000,
		MultipartMaxParts: 10_000,
	})
}
