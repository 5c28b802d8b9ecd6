package files

import (
	"bytes"
	"context"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"driftbench/bench/files/objects"
	"driftbench/internal/fixture"
)

// serve starts an S3 server with one bucket, and sets the environment that reads it.
func serve(t *testing.T, bucket string) *minio.Client {
	t.Helper()
	endpoint, client := fixture.S3(t, bucket)
	t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
	t.Setenv("AWS_REGION", "us-east-1")
	return client
}

// Objects are found and unpacked as files are, whether the store is listed or
// asked key by key, and their versions are those of their ETags.
func TestBucket(t *testing.T) {
	client := serve(t, "corpus")
	put := func(key string, b []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), "corpus", key, bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	long := bytes.Repeat([]byte("MZ long "), 1<<17)
	flat, two, four, upper := hexSHA256([]byte("flat")), hexMD5([]byte("two")), hexSHA1([]byte("four")), hexSHA256([]byte("upper"))
	two = strings.ToLower(two)
	put("samples/"+flat, []byte("flat"))
	put("samples/"+path.Join(two[:2], two[2:4], two), []byte("two"))
	put("samples/"+path.Join(four[:1], four[1:2], four[2:3], four[3:4], four), []byte("four"))
	put("samples/"+strings.ToUpper(upper), []byte("upper"))
	sorel := hexSHA256(sample(9))
	put("samples/"+sorel, golden(t, "sorel/"+sorel))
	put("samples/dir/plain.exe", long)
	put("samples/empty", nil)
	zipped := hexSHA256(sample(0))
	put("samples/"+zipped+".zip", golden(t, "bazaar/"+zipped+".zip"))
	put("beside/x.exe", []byte("not below the prefix"))
	names := []string{sorel, "dir/plain.exe", "x.exe", strings.ToUpper(two), flat, four, "empty", upper, zipped}
	want := [][]byte{sample(9), long, nil, []byte("two"), []byte("flat"), []byte("four"), nil, []byte("upper"), nil}

	p, err := Open(t.Context(), []string{"s3://corpus/samples"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	listed, _, err := p.Find(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	asked := &search{files: make([]File, len(names)), differing: map[string]string{}}
	for i, name := range names {
		asked.files[i] = File{Name: name, Reason: string(missing)}
	}
	if err := p.all[0].(*bucket).probe(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	for how, files := range map[string][]File{"listed": listed, "asked": asked.files} {
		r := p.NewReader(t.Context(), files, ReadOptions{MaxLen: 5000, Batch: 100})
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		for j, row := range b.Rows {
			if !bytes.Equal(b.Files[j], want[row][:min(5000, len(want[row]))]) || b.Size[j] != int64(len(want[row])) {
				t.Errorf("%s: %s is %d bytes of %d", how, names[row], len(b.Files[j]), b.Size[j])
			}
			if v := b.Version[j]; !v.Known() || v != listed[row].Version {
				t.Errorf("%s: %s has version %v, listed %v", how, names[row], v, listed[row].Version)
			}
		}
		var reasons []string
		for _, d := range r.Dropped() {
			reasons = append(reasons, d.Reason)
		}
		archive := "is an archive in s3://corpus/samples/: archives are read from file systems alone"
		if how == "asked" {
			archive = "is missing" // .zip is in no layout
		}
		if !slices.Equal(reasons, []string{"is missing", "is empty", archive}) {
			t.Errorf("%s: dropped %q", how, reasons)
		}
		r.Close()
	}
	sums, _, err := p.Digests(t.Context(), listed[:2], func(int) {})
	if err != nil || hexSHA256(sample(9)) != hexOf(sums[0]) || hexSHA256(long) != hexOf(sums[1]) {
		t.Errorf("digests %x, %v", sums, err)
	}

	// An object that is replaced is not read as the one that was found.
	put("samples/"+flat, []byte("FLAT"))
	if _, _, _, dropped := readAll(t, found{p, listed[4:5]}, ReadOptions{MaxLen: 10, Batch: 1}); len(dropped) != 1 || dropped[0].Reason != string(changed) {
		t.Errorf("a changed object: %v", dropped)
	}
	// A store that fails is no reason to drop files.
	for kind, dropped := range map[error]bool{objects.ErrUnreachable: false, objects.ErrDenied: false, objects.ErrNotFound: true, objects.ErrArchived: true} {
		if err := p.all[0].(*bucket).failed(&objects.Error{Kind: kind}); isRefusal(err) != dropped {
			t.Errorf("%v became %v", kind, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	if _, err := Open(ctx, []string{"s3://corpus/samples"}, Options{}); err == nil || isRefusal(err) {
		t.Errorf("a server that is not there: %v", err)
	}
}

func hexOf(sum [32]byte) string { return hex.EncodeToString(sum[:]) }
