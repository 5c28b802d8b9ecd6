// Package objects reads the first bytes of objects in S3 and in stores that
// speak its protocol, such as MinIO, Ceph and Garage.
package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"driftbench/internal/text"
)

// The kinds of errors that an [*Error] wraps.
var (
	// Of one object: it is not there, is another than the one that was listed,
	// or lies in an archive (Glacier) from which it must be restored.
	ErrNotFound = errors.New("no such object")
	ErrChanged  = errors.New("the object has changed since it was listed")
	ErrArchived = errors.New("the object is archived: restore it first")

	// Of the whole store, so that other objects fail as well.
	ErrNoBucket    = errors.New("no such bucket")
	ErrDenied      = errors.New("access denied")
	ErrUnreachable = errors.New("the server does not answer, or fails")
	ErrServer      = errors.New("the server refuses the request")
)

// Error is an error with its place. Its message is one line and holds no secret.
type Error struct {
	URL    string // of the store or the object
	Kind   error  // one of those above
	Code   string // of the server, such as "AccessDenied"; "" if it has sent none
	Detail string // what the server says, or what to do; may be ""
}

func (e *Error) Error() string {
	s := text.Line(e.URL, '?') + ": " + e.Kind.Error()
	for _, more := range []string{e.Code, e.Detail} {
		if more != "" {
			s += ": " + text.Line(more, '?')
		}
	}
	return s
}

func (e *Error) Unwrap() error { return e.Kind }

// OfObject reports whether err is that of one object alone, so that it is
// worthwhile to go on with others.
func OfObject(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrChanged) || errors.Is(err, ErrArchived)
}

const (
	// tries is how often a request is made. Between tries minio-go waits for at
	// most 0.2, 0.4, 0.8, 1 seconds and so on.
	tries = 5
	// patience is how long a request and its response may take.
	patience = time.Minute
	// connections is how many idle connections are kept for the next request.
	connections = 256
)

// Options are the options of Open. The zero Options are those of the AWS
// command line: the environment and the credentials file.
type Options struct {
	Endpoint  string // URL of the server; "" means AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, then Amazon
	Region    string // "" means AWS_REGION, AWS_DEFAULT_REGION, then that of the bucket
	Anonymous bool   // use no credentials, though there are some
}

// Store is the objects of a bucket below a prefix. Its methods are safe for
// concurrent use.
type Store struct {
	url       string // s3://bucket/prefix/
	bucket    string
	prefix    string // "" or ends in a slash
	anonymous bool
	client    *minio.Client
}

// Object is an entry of a listing.
type Object struct {
	Key      string // below the prefix of the store
	Size     int64
	ETag     string // without quotes; it changes with the content
	Modified time.Time
}

// Open opens s3://bucket or s3://bucket/prefix; the prefix is a folder, with or
// without a slash at its end. Credentials are AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else those of AWS_PROFILE in
// AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials); without any, requests are
// not signed. A server other than Amazon's is addressed by path.
//
// Open asks for one name, so that a server, bucket or key that is wrong is an
// error here. Who may read objects need not be allowed to list them: that is no
// error before List.
func Open(ctx context.Context, place string, opt Options) (*Store, error) {
	s, err := newStore(place, opt)
	if err != nil {
		return nil, err
	}
	for _, err := range s.list(ctx, 1) {
		if err != nil && !(errors.Is(err, ErrDenied) && !isCredential(err)) {
			return nil, err
		}
		break
	}
	return s, nil
}

func newStore(place string, opt Options) (*Store, error) {
	rest, ok := strings.CutPrefix(place, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return nil, fmt.Errorf("%q is no place of objects: want s3://bucket/prefix", place)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	server := first(opt.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("the S3 endpoint %s is no URL of a server: want one as https://s3.example.org:9000", text.Quote(server))
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	transport.ResponseHeaderTimeout = patience / 2
	chain := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	if opt.Anonymous {
		chain = credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	}
	key, err := chain.GetWithContext(nil)
	if err != nil {
		return nil, fmt.Errorf("s3://%s: reading credentials: %w", bucket, err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:      chain,
		Secure:     u.Scheme == "https",
		Transport:  transport,
		Region:     first(opt.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		MaxRetries: tries,
	})
	if err != nil {
		return nil, fmt.Errorf("the S3 endpoint %s: %w", text.Quote(server), err)
	}
	s := &Store{bucket: bucket, prefix: prefix, url: "s3://" + bucket + "/" + prefix, client: client}
	s.anonymous = key.AccessKeyID == ""
	return s, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// String returns the URL of the store, s3://bucket/prefix/.
func (s *Store) String() string { return s.url }

// List yields the objects below the prefix, a page of 1,000 of them in memory
// at a time; keys that end in a slash, which stand for folders, are left out.
// After an error it ends.
func (s *Store) List(ctx context.Context) iter.Seq2[Object, error] { return s.list(ctx, 1_000) }

func (s *Store) list(ctx context.Context, page int) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		opt := minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true, MaxKeys: page}
		for o := range s.client.ListObjectsIter(ctx, s.bucket, opt) {
			if o.Err != nil {
				yield(Object{}, s.wrap(ctx, "", o.Err))
				return
			}
			if strings.HasSuffix(o.Key, "/") {
				continue
			}
			if !yield(Object{strings.TrimPrefix(o.Key, s.prefix), o.Size, o.ETag, o.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
		}
	}
}

// Stat returns the entry of one object without listing others.
func (s *Store) Stat(ctx context.Context, key string) (Object, error) {
	o, err := s.client.StatObject(ctx, s.bucket, s.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Object{}, s.wrap(ctx, key, err)
	}
	return Object{key, o.Size, o.ETag, o.LastModified}, nil
}

// Read reads the first bytes of an object into buf, with one ranged request: n
// is len(buf), or the length of the object if that is less; size is the length
// of the object. If etag is not "" and not that of the object, Read returns
// ErrChanged. It tries again what a server or a connection fails to do, for
// some seconds.
func (s *Store) Read(ctx context.Context, key, etag string, buf []byte) (n int, size int64, err error) {
	for try := range tries {
		var again bool
		n, size, again, err = s.readOnce(ctx, key, etag, buf)
		if err == nil {
			return n, size, nil
		}
		if !again {
			break
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(200 * time.Millisecond << try):
		}
	}
	return 0, 0, s.wrap(ctx, key, err)
}

// readOnce makes a request. again reports whether it has failed in the body of
// the response, the part that minio-go does not retry.
func (s *Store) readOnce(ctx context.Context, key, etag string, buf []byte) (n int, size int64, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var opt minio.GetObjectOptions
	if err := opt.SetRange(0, int64(max(len(buf), 1))-1); err != nil {
		return 0, 0, false, err
	}
	if etag != "" {
		if err := opt.SetMatchETag(etag); err != nil {
			return 0, 0, false, err
		}
	}
	body, info, header, err := minio.Core{Client: s.client}.GetObject(ctx, s.bucket, s.prefix+key, opt)
	if err != nil {
		if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
			return 0, 0, false, nil // nothing begins at byte 0 of an empty object alone
		}
		return 0, 0, false, err
	}
	defer body.Close()
	size = info.Size // of the whole object, from a server that does not know ranges
	if _, total, ok := strings.Cut(header.Get("Content-Range"), "/"); ok {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil {
			return 0, 0, false, fmt.Errorf("its Content-Range is %s", text.Quote(header.Get("Content-Range")))
		}
	}
	if size < 0 {
		return 0, 0, false, errors.New("the response does not say how long the object is")
	}
	n, err = io.ReadFull(body, buf[:min(int64(len(buf)), size)])
	return n, size, err != nil, err
}

// wrap gives an error its place and kind.
func (s *Store) wrap(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := minio.ToErrorResponse(err)
	e := &Error{URL: s.url + key, Code: r.Code, Detail: strings.TrimSpace(r.Message)}
	switch status := r.StatusCode; {
	case r.Code == minio.NoSuchKey, status == http.StatusNotFound && key != "" && r.Code == "NotFound":
		return &Error{URL: e.URL, Kind: ErrNotFound}
	case status == http.StatusPreconditionFailed:
		return &Error{URL: e.URL, Kind: ErrChanged}
	case r.Code == "InvalidObjectState":
		return &Error{URL: e.URL, Kind: ErrArchived}
	case r.Code == minio.NoSuchBucket:
		return &Error{URL: s.url, Kind: ErrNoBucket}
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		e.Kind = ErrDenied
		if s.anonymous {
			e.Detail = "no credentials are used: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
		}
	case status >= 300 && status < 500:
		e.Kind = ErrServer
	case status >= 500:
		e.Kind = ErrUnreachable
	default:
		e.Kind, e.Code, e.Detail = ErrUnreachable, "", err.Error()
	}
	return e
}

// isCredential reports whether access is denied for the credentials rather than
// for what they may do.
func isCredential(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == minio.InvalidAccessKeyID || e.Code == minio.SignatureDoesNotMatch)
}
