package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
	"github.com/latchd/latchd/transport/trust"
)

// ownerClient sends requests to a running hub with the key of the policy iothubowner.
// It reads the key and the hub's CA certificate from the hub's data directory.
type ownerClient struct {
	dataDir string // value of the flag --data
	address string // value of the flag --https

	owner iothub.Service
	http  *http.Client
}

// packagedData is the data directory of the hub that the Debian package runs.
const packagedData = "/var/lib/latchhub"

// addFlags adds the flags --data and --https to cmd and its subcommands.
func (c *ownerClient) addFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.dataDir, "data", packagedData, "data directory of the hub, which contains the owner's key")
	flags.StringVar(&c.address, "https", "localhost:8443", "address of the hub's service API")
}

// open reads the owner's key and the hub's CA certificate from the data directory.
func (c *ownerClient) open() error {
	if c.dataDir == "" {
		return usageError{errNoDataDir}
	}

	text, err := textfile.Read(filepath.Join(c.dataDir, "service.connection-string"), 1<<16)
	if err != nil {
		return fmt.Errorf("cannot read the owner's key: %w; run this command as the hub's user and with the hub's --data", err)
	}
	if c.owner, err = iothub.ParseService(text); err != nil {
		return err
	}

	roots, err := trust.ReadCAFile(filepath.Join(c.dataDir, "ca.pem"))
	if err != nil {
		return err
	}
	c.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: c.owner.HostName}, DisableKeepAlives: true,
	}}
	return nil
}

var errNoDataDir = errors.New("--data is missing; give the hub's data directory")

// do sends one request to the hub. It decodes the JSON answer into out, or ignores the
// answer if out is nil.
func (c *ownerClient) do(ctx context.Context, method, path, ifMatch string, body []byte, out any) error {
	header := http.Header{}
	if ifMatch != "" {
		header.Set("If-Match", ifMatch)
	}

	_, err := c.send(ctx, method, path, header, body, out)
	return err
}

// send sends one request with additional headers to the hub. It decodes the JSON answer
// into out, or ignores the answer if out is nil. It returns the headers of the answer.
func (c *ownerClient) send(ctx context.Context, method, path string, header http.Header, body []byte, out any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method,
		"https://"+c.address+path+"?api-version=2021-10-01", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--https is %q; use HOST:PORT", c.address)
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Authorization", iothub.Sign(c.owner.HostName, c.owner.Key, c.owner.KeyName, time.Now().Add(time.Hour)))

	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer from the hub at %s: %w; start the hub, or set its address with --https", c.address, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}

	if answer.StatusCode >= 300 {
		return nil, iothub.ParseError(answer.StatusCode, text)
	}
	if out == nil {
		return answer.Header, nil
	}
	return answer.Header, json.Unmarshal(text, out)
}

func isNotFound(err error) bool {
	return errors.Is(err, &iothub.Error{Code: iothub.CodeNotFound})
}
