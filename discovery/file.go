package discovery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// DefaultInterval is how often a file is looked at.
const DefaultInterval = 500 * time.Millisecond

// maxFileSize is far above any real file: 10,000 endpoints take about 300 kB.
const maxFileSize = 16 << 20

// grain is how coarse the times of files may be. What was read so soon after it was
// written is read once more: it may have been written again in the same moment.
const grain = 2 * time.Second

// File returns the source of a file that ParseFile understands, looked at every
// interval; 0 is DefaultInterval. Whether it is new is told by its time, size and
// identity. That sees a file that was renamed over the old one, and the links that
// Kubernetes swaps, also where nobody is notified of changes, as on NFS and in
// containers.
func File(path string, interval time.Duration) Source {
	if interval <= 0 {
		interval = DefaultInterval
	}
	return &fileSource{path: path, interval: interval}
}

type fileSource struct {
	path     string
	interval time.Duration
	seen     fs.FileInfo // of what was read last; nil: nothing
	sum      [sha256.Size]byte
	failure  string // why it cannot be read; "" if it can
}

func (s *fileSource) String() string { return "file " + s.path }

func (s *fileSource) Look(context.Context) (Answer, error) {
	a := Answer{TTL: s.interval}
	info, err := os.Stat(s.path)
	if err == nil && s.failure == "" && s.isSame(info) && info.ModTime().Before(time.Now().Add(-grain)) {
		a.Unchanged = true
		return a, nil
	}
	data, info, err := s.read()
	if err != nil {
		a.Unchanged = err.Error() == s.failure // and told
		s.failure = err.Error()
		if a.Unchanged {
			return a, nil
		}
		return a, fmt.Errorf("discovery: %w", err)
	}
	sum := sha256.Sum256(data)
	a.Unchanged = s.seen != nil && s.failure == "" && sum == s.sum
	s.seen, s.sum, s.failure = info, sum, ""
	if a.Unchanged {
		return a, nil
	}
	a.Endpoints, err = ParseFile(data)
	if err != nil {
		separator := ":" // before the line
		if errors.Is(err, ErrNobody) {
			separator = ": "
		}
		return a, fmt.Errorf("discovery: %s%s%w", s.path, separator, err)
	}
	return a, nil
}

// isSame reports whether info is of the file that was read last, as it was then.
func (s *fileSource) isSame(info fs.FileInfo) bool {
	return s.seen != nil && os.SameFile(s.seen, info) && s.seen.Size() == info.Size() && s.seen.ModTime().Equal(info.ModTime())
}

// read reads the whole file. Its FileInfo is of what was opened, and of before it was
// read: what is written meanwhile looks new the next time.
func (s *fileSource) read() ([]byte, fs.FileInfo, error) {
	// Opening a named pipe would wait for a writer.
	if info, err := os.Stat(s.path); err != nil {
		return nil, nil, err
	} else if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a file", s.path)
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(data) > maxFileSize {
		err = fmt.Errorf("%s is larger than 16 MiB", s.path)
	}
	return data, info, err
}
