// Command archive packs a folder: archive FOLDER FILE, where FILE ends in .tar.gz or .zip.
// The same files give the same bytes: entries are sorted, belong to root, and have the
// time in SOURCE_DATE_EPOCH, in seconds since 1970.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) != 2 {
		return errors.New("want two arguments: FOLDER FILE")
	}
	folder, file := args[0], args[1]

	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}

	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	write := writeTar
	if strings.HasSuffix(file, ".zip") {
		write = writeZip
	}
	return write(out, folder, time.Unix(seconds, 0).UTC())
}

// writeTar writes the files in folder as a compressed tar archive.
func writeTar(w io.Writer, folder string, at time.Time) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)

	err = walk(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := tar.Header{
			Name: name, Mode: int64(mode), Size: int64(len(content)), ModTime: at, Typeflag: tar.TypeReg,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(&header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	})
	return errors.Join(err, archive.Close(), packed.Close())
}

// writeZip writes the files in folder as a zip archive.
func writeZip(w io.Writer, folder string, at time.Time) error {
	archive := zip.NewWriter(w)

	err := walk(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at}
		header.SetMode(mode)
		entry, err := archive.CreateHeader(&header)
		if err != nil {
			return err
		}
		_, err = entry.Write(content)
		return err
	})
	return errors.Join(err, archive.Close())
}

// walk calls add for each file below folder, sorted by name. Names begin with the
// folder's own name. Modes are 0755 for programs and 0644 for other files.
func walk(folder string, add func(name string, mode fs.FileMode, content []byte) error) error {
	base := filepath.Base(folder)

	return fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}

		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return add(path.Join(base, name), mode, content)
	})
}
