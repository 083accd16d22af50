// Package textfile reads small text files that people write or copy by hand, such as
// configurations, connection strings and certificates. Use [Read] for a file, and
// [Decode] for text from elsewhere.
//
// Guarantees:
//   - A byte order mark at the start is not part of the text. Windows editors write one.
//   - UTF-16 text with a byte order mark is converted to UTF-8. PowerShell writes it.
//   - The size of the file and the time to read a pipe are limited.
package textfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unicode/utf16"
)

// pipeTimeout limits how long Read waits for the other end of a pipe.
const pipeTimeout = 10 * time.Second

// mark is the byte order mark in UTF-8.
const mark = "\ufeff"

// Read returns the text in the file at path, which may have at most limit bytes. The
// file may be a pipe, such as the result of a shell's process substitution.
func Read(path string, limit int) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()

	if info, err := f.Stat(); err != nil {
		return "", err
	} else if info.IsDir() {
		return "", fmt.Errorf("%s is a folder; want a file", path)
	}
	f.SetReadDeadline(time.Now().Add(pipeTimeout)) // fails for regular files, which need no limit

	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return "", err
	}
	if len(content) > limit {
		return "", fmt.Errorf("%s is too large; at most %d bytes are allowed", path, limit)
	}

	text, err := Decode(content)
	if err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return text, nil
}

// Decode returns the text in content, without a byte order mark and converted from
// UTF-16 to UTF-8 if necessary. The text of its errors follows the name of a file.
func Decode(content []byte) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte(mark)):
		content = content[len(mark):]
	case bytes.HasPrefix(content, []byte{0xff, 0xfe}):
		return decodeUTF16(content[2:], binary.LittleEndian)
	case bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		return decodeUTF16(content[2:], binary.BigEndian)
	case len(content) >= 2 && (content[0] == 0) != (content[1] == 0):
		return "", errors.New("is UTF-16 text without a byte order mark; save it as UTF-8")
	}
	return string(content), nil
}

func decodeUTF16(content []byte, order binary.ByteOrder) (string, error) {
	if len(content)%2 != 0 {
		return "", errors.New("is UTF-16 text that ends inside a character; save it as UTF-8")
	}

	units := make([]uint16, len(content)/2)
	for i := range units {
		units[i] = order.Uint16(content[2*i:])
	}
	return string(utf16.Decode(units)), nil
}
