package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

// ownerClient speaks to a running hub with the key and the certificate that are
// in its data directory.
type ownerClient struct {
	data, address string // as the flags have them

	owner iothub.Service
	http  *http.Client
}

// addFlags gives a command and those below it the flags that say where the hub is.
func (c *ownerClient) addFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.data, "data", "", "the hub's data directory, which has the owner's key")
	flags.StringVar(&c.address, "https", "localhost:8443", "address of the hub's service front")
}

func (c *ownerClient) open() error {
	if c.data == "" {
		return usageError{errors.New("--data is missing: the hub's data directory")}
	}
	text, err := os.ReadFile(filepath.Join(c.data, "service.connection-string"))
	if err != nil {
		return fmt.Errorf("the owner's key: %w; run this as the hub's user, with the hub's --data", err)
	}
	if c.owner, err = iothub.ParseService(string(text)); err != nil {
		return err
	}
	roots, err := trust.ReadCAFile(filepath.Join(c.data, "ca.pem"))
	if err != nil {
		return err
	}
	c.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: c.owner.HostName}, DisableKeepAlives: true,
	}}
	return nil
}

// do makes one request, and reads the answer into out if there is one.
func (c *ownerClient) do(ctx context.Context, method, path, ifMatch string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method,
		"https://"+c.address+path+"?api-version=2021-10-01", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--https is %q, want HOST:PORT", c.address)
	}
	request.Header.Set("Authorization", iothub.Sign(c.owner.HostName, c.owner.Key, c.owner.KeyName, time.Now().Add(time.Hour)))
	if ifMatch != "" {
		request.Header.Set("If-Match", ifMatch)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("the hub does not answer at %s: %w; is it running? --https says where", c.address, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return iothub.ParseError(answer.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func isNotFound(err error) bool {
	return errors.Is(err, &iothub.Error{Code: iothub.CodeNotFound})
}
