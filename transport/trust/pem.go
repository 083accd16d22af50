package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KeyPair returns the certificate chain and the private key in two PEM texts.
func KeyPair(chain, key string) (tls.Certificate, error) {
	chainBlocks, err := pemBlocks(chain)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the certificate's file %w", err)
	}
	keyBlocks, err := pemBlocks(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the private key's file %w", err)
	}
	if slices.ContainsFunc(keyBlocks, isEncrypted) {
		return tls.Certificate{}, errors.New("the private key is encrypted, and nobody can enter its passphrase; " +
			"store it without one: openssl pkey -in OLD -out NEW")
	}

	return tls.X509KeyPair(encode(chainBlocks), encode(keyBlocks))
}

// isEncrypted reports whether a PEM block is a private key that needs a passphrase, in
// the format of PKCS #8 or in OpenSSL's older format.
func isEncrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
}

// certificates returns the certificates in a PEM text. A certificate that Go does not
// support is left out, unless there is no other. The text of the error follows the name
// of the file.
func certificates(text string) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(text)
	if err != nil {
		return nil, err
	}

	var found []*x509.Certificate
	var failed error
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err != nil {
			failed = errors.Join(failed, err)
		} else {
			found = append(found, cert)
		}
	}

	switch {
	case len(found) > 0:
		return found, nil
	case failed != nil:
		return nil, fmt.Errorf("contains no certificate that can be used: %w", failed)
	case len(blocks) > 0:
		return nil, fmt.Errorf("contains a PEM block of type %s, but no certificate", blocks[0].Type)
	case strings.HasPrefix(text, "\x30\x82"):
		return nil, errors.New("is in DER format; convert it: openssl x509 -inform der -in OLD -out NEW")
	}
	return nil, errors.New("contains no certificate in PEM format")
}

// pemBlocks returns all blocks of a PEM text. Joining files often puts two blocks on one
// line, or a byte order mark into the middle; pemBlocks repairs both. It returns an error
// if a block is damaged, because package pem ignores such blocks. The text of the error
// follows the name of the file.
func pemBlocks(text string) ([]*pem.Block, error) {
	const begin = "-----BEGIN "
	text = strings.ReplaceAll(text, "\ufeff", "")
	text = strings.ReplaceAll(text, "-----"+begin, "-----\n"+begin)

	var blocks []*pem.Block
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks = append(blocks, block)
	}

	if want := strings.Count(text, begin); len(blocks) < want {
		return nil, fmt.Errorf("has %d PEM blocks, of which %d cannot be read; copy the file again", want, want-len(blocks))
	}
	return blocks, nil
}

func encode(blocks []*pem.Block) []byte {
	var b bytes.Buffer
	for _, block := range blocks {
		pem.Encode(&b, block) // writing to memory cannot fail
	}
	return b.Bytes()
}
