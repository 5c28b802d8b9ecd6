package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"driftbench/internal/fixture"
	"driftbench/internal/fuzzing"
)

const bucket = "corpus"

// server is a real S3 server with one bucket.
type server struct {
	endpoint string
	client   *minio.Client
}

func start(t *testing.T) *server {
	t.Helper()
	endpoint, client := fixture.S3(t, bucket)
	return &server{endpoint, client}
}

// put stores an object and returns its ETag.
func (s *server) put(t *testing.T, key string, data []byte) string {
	t.Helper()
	info, err := s.client.PutObject(t.Context(), bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info.ETag
}

func (s *server) open(t *testing.T, place string, opt Options) *Store {
	t.Helper()
	if opt.Endpoint == "" {
		opt.Endpoint = s.endpoint
	}
	store, err := Open(t.Context(), place, opt)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

func TestStore(t *testing.T) {
	s := start(t)
	objects := map[string][]byte{
		"a/b/c/short": []byte("MZ short"), "a/empty": nil, "a/long": content(3 << 20), "a/sp ace+&ü%41": []byte("MZ odd"),
		"other": []byte("MZ other"), "ab": []byte("MZ beside the folder a"),
	}
	etags := map[string]string{}
	for key, data := range objects {
		etags[key] = s.put(t, key, data)
	}
	var whole atomic.Int64 // bytes that the server sends
	counting := httptest.NewServer(s.proxy(t, func(r *http.Response) { r.Body = &counter{r.Body, &whole} }))
	defer counting.Close()

	for _, place := range []string{"s3://corpus", "s3://corpus/", "s3://corpus/a", "s3://corpus/a/"} {
		store := s.open(t, place, Options{Endpoint: counting.URL})
		prefix := strings.Trim(strings.TrimPrefix(place, "s3://corpus"), "/")
		if prefix != "" {
			prefix += "/"
		}
		listed := 0
		for o, err := range store.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			data, ok := objects[prefix+o.Key]
			if !ok || o.Size != int64(len(data)) || o.ETag != etags[prefix+o.Key] || time.Since(o.Modified) > time.Hour {
				t.Errorf("%s lists %+v", place, o)
			}
			listed++
			for _, length := range []int{0, 1, 2, 8, 1_000, 4 << 20} {
				buf := make([]byte, length)
				whole.Store(0)
				n, size, err := store.Read(t.Context(), o.Key, o.ETag, buf)
				if err != nil || size != o.Size || !bytes.Equal(buf[:n], data[:min(length, len(data))]) {
					t.Errorf("%s%s in a buffer of %d: %d of %d bytes, %v", place, o.Key, length, n, size, err)
				}
				if sent := whole.Load(); sent > int64(length)+1_000 {
					t.Errorf("%s%s in a buffer of %d: the server sends %d bytes", place, o.Key, length, sent)
				}
			}
		}
		want := 0
		for key := range objects {
			if strings.HasPrefix(key, prefix) {
				want++
			}
		}
		if listed != want {
			t.Errorf("%s lists %d objects, want %d", place, listed, want)
		}
	}
}

type counter struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// proxy forwards to the server and changes its responses.
func (s *server) proxy(t *testing.T, change func(r *http.Response)) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // which is signed
		ModifyResponse: func(r *http.Response) error { change(r); return nil },
		ErrorLog:       log.New(io.Discard, "", 0),
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

func TestManyPages(t *testing.T) {
	s := start(t)
	const objects = 25
	for i := range objects {
		s.put(t, fmt.Sprintf("d/%02d", i), []byte{byte(i)})
	}
	store := s.open(t, "s3://corpus/d", Options{})
	i := 0
	for o, err := range store.list(t.Context(), 10) {
		if err != nil || o.Key != fmt.Sprintf("%02d", i) {
			t.Errorf("object %d is %q, %v", i, o.Key, err)
		}
		i++
	}
	if i != objects {
		t.Errorf("%d objects", i)
	}
	for range store.list(t.Context(), 10) {
		break // a listing that is left early
	}
	var wg sync.WaitGroup
	for i := range objects {
		wg.Go(func() {
			buf := make([]byte, 10)
			if n, _, err := store.Read(t.Context(), fmt.Sprintf("%02d", i), "", buf); err != nil || n != 1 || buf[0] != byte(i) {
				t.Errorf("object %d: %x, %v", i, buf[:n], err)
			}
		})
	}
	wg.Wait()
}

func TestErrors(t *testing.T) {
	s := start(t)
	old := s.put(t, "key", []byte("MZ old"))
	store := s.open(t, "s3://corpus", Options{})
	check := func(name string, err, kind error, want string, object bool) {
		t.Helper()
		if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), want) || OfObject(err) != object || !fuzzing.IsLine(fmt.Sprint(err)) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), fixture.S3Secret) {
			t.Errorf("%s: the message holds the secret: %v", name, err)
		}
	}
	buf := make([]byte, 10)
	_, _, err := store.Read(t.Context(), "no/such\nkey", "", buf)
	check("no key", err, ErrNotFound, "s3://corpus/no/such?key", true)
	s.put(t, "key", []byte("MZ new"))
	_, _, err = store.Read(t.Context(), "key", old, buf)
	check("changed", err, ErrChanged, "s3://corpus/key", true)

	_, err = Open(t.Context(), "s3://no-such-bucket/a", Options{Endpoint: s.endpoint})
	check("no bucket", err, ErrNoBucket, "s3://no-such-bucket/a/", false)
	begin := time.Now()
	_, err = Open(t.Context(), "s3://corpus", Options{Endpoint: "http://127.0.0.1:1", Region: "us-east-1"})
	check("nothing listens", err, ErrUnreachable, "refused", false)
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("that nothing listens takes %v to find", d)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	_, err = Open(t.Context(), "s3://corpus", Options{Endpoint: s.endpoint})
	check("secret", err, ErrDenied, "SignatureDoesNotMatch", false)
	t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
	_, err = Open(t.Context(), "s3://corpus", Options{Endpoint: s.endpoint})
	check("access key", err, ErrServer, "access key", false) // Versity's own code, with status 404

	anonymous := s.open(t, "s3://corpus", Options{Anonymous: true})
	for _, err = range anonymous.List(t.Context()) {
		break
	}
	check("anonymous listing", err, ErrDenied, "no credentials are used", false)
	_, _, err = anonymous.Read(t.Context(), "key", "", buf)
	check("anonymous reading", err, ErrDenied, "no credentials are used", false)
}

func TestCredentials(t *testing.T) {
	s := start(t)
	s.put(t, "key", []byte("MZ"))
	read := func(name string, opt Options) {
		t.Helper()
		buf := make([]byte, 10)
		if n, size, err := s.open(t, "s3://corpus", opt).Read(t.Context(), "key", "", buf); n != 2 || size != 2 || err != nil {
			t.Errorf("%s: %d of %d bytes, %v", name, n, size, err)
		}
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::corpus/*"}]}`
	if err := s.client.SetBucketPolicy(t.Context(), bucket, policy); err != nil {
		t.Fatal(err)
	}
	read("anonymous, who may not list", Options{Anonymous: true})
	t.Setenv("AWS_ENDPOINT_URL", s.endpoint)
	if _, err := Open(t.Context(), "s3://corpus", Options{}); err != nil {
		t.Errorf("endpoint of the environment: %v", err)
	}
	if err := s.client.SetBucketPolicy(t.Context(), bucket, ""); err != nil {
		t.Fatal(err)
	}
	read("environment", Options{})
	file := filepath.Join(t.TempDir(), "credentials")
	profiles := fmt.Sprintf("[default]\naws_access_key_id = x\naws_secret_access_key = y\n[mine]\naws_access_key_id = %s\naws_secret_access_key = %s\n", fixture.S3Access, fixture.S3Secret)
	if err := os.WriteFile(file, []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_PROFILE", "mine")
	read("profile", Options{})
}

// What a server fails to do for a moment is tried again.
func TestRetries(t *testing.T) {
	s := start(t)
	data := content(100_000)
	etag := s.put(t, "key", data)
	var requests atomic.Int64
	busy := func(r *http.Response) {
		if r.Request.Method == http.MethodGet && requests.Add(1) <= 2 {
			r.StatusCode, r.Status = http.StatusServiceUnavailable, "503 Slow Down"
			r.Body = io.NopCloser(strings.NewReader("<Error><Code>SlowDown</Code></Error>"))
			r.Header.Del("Content-Length")
		}
	}
	cut := func(r *http.Response) {
		if requests.Add(1) <= 2 {
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 50_000), broken{}))
		}
	}
	never := func(r *http.Response) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 50_000), broken{}))
	}
	for name, change := range map[string]func(*http.Response){"busy": busy, "cut": cut, "never": never} {
		requests.Store(0)
		front := httptest.NewServer(s.proxy(t, change))
		store, err := newStore("s3://corpus", Options{Endpoint: front.URL, Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if name == "never" {
			time.AfterFunc(300*time.Millisecond, cancel) // in a pause between tries
		}
		begin := time.Now()
		buf := make([]byte, 200_000)
		n, size, err := store.Read(ctx, "key", etag, buf)
		if name == "never" {
			if d := time.Since(begin); !errors.Is(err, context.Canceled) || d > 2*time.Second {
				t.Errorf("a context that ends: %v after %v", err, d)
			}
		} else if err != nil || size != int64(len(data)) || !bytes.Equal(buf[:n], data) || requests.Load() != 3 {
			t.Errorf("%s: %d of %d bytes after %d requests, %v", name, n, size, requests.Load(), err)
		}
		cancel()
		front.CloseClientConnections()
		front.Close()
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A server that answers wrongly gets one line, and no memory.
func TestWrongServer(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"not S3":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>\nhello</html>") },
		"redirect": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMovedPermanently) },
		"teapot":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"range": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/x\ty")
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "0123456789")
		},
	} {
		server := httptest.NewServer(handler)
		store, err := newStore("s3://corpus/a", Options{Endpoint: server.URL, Region: "us-east-1", Anonymous: true})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = store.Read(t.Context(), "key", "", make([]byte, 10))
		var e *Error
		if name != "not S3" && !errors.As(err, &e) || err != nil && !fuzzing.IsLine(err.Error()) {
			t.Errorf("%s: Read: %v", name, err)
		}
		for _, err := range store.List(t.Context()) {
			if err != nil && !fuzzing.IsLine(err.Error()) {
				t.Errorf("%s: List: %v", name, err)
			}
		}
		server.Close()
	}
}

func TestPlaces(t *testing.T) {
	for place, want := range map[string]string{
		"s3://b": "s3://b/", "s3://bucket/": "s3://bucket/", "s3://bucket/a/b": "s3://bucket/a/b/", "s3://bucket/a/b/": "s3://bucket/a/b/",
		"s3:/bucket": "", "s3://": "", "s3:///a": "", "https://bucket": "",
	} {
		store, err := newStore(place, Options{Anonymous: true})
		if (err == nil) != (want != "") || err == nil && store.String() != want {
			t.Errorf("%s: %v, %v", place, store, err)
		}
	}
	for _, endpoint := range []string{"localhost:9000", "ftp://host", "http://", "http://host/path", "http://a:b@host", "http://host?x", "http://\x7f"} {
		if _, err := newStore("s3://bucket", Options{Endpoint: endpoint}); err == nil || !fuzzing.IsLine(err.Error()) {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
}
