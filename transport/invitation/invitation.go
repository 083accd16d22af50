// Package invitation encodes the codes with which a door or a person joins a hub. The hub
// makes a code; somebody carries it to the gateway or to the laptop, where [ParseDoor] or
// [ParsePerson] reads it.
//
// A code contains all that its reader needs: the hub's address, the certificate of the
// hub's CA and a one-time key. It contains the certificate and not only its fingerprint,
// so that the reader never connects to a server that it cannot verify. The certificate
// has about 400 bytes, and a code about 700 characters.
//
// Guarantees:
//   - White space in a code does not matter, so that mail programs may wrap it.
//   - A code that is cut off or changed is refused.
//   - Errors do not quote the code.
package invitation

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// MaxCode is the length of the longest code that a program should read, in bytes. It
// leaves room for white space.
const MaxCode = 16 << 10

// Door invites a gateway to register one door.
type Door struct {
	Hub            string // HOST or HOST:PORT of the hub, for devices
	IDScope        string
	RegistrationID string
	Key            iothub.Key // one-time key of the enrollment
	CA             *x509.Certificate
	Expires        time.Time // with a precision of one second
}

// Person invites a person to use the service API.
type Person struct {
	Hub     string     // HOST or HOST:PORT of the hub, for services
	Policy  string     // shared access policy of the person
	Key     iothub.Key // one-time key of the policy
	CA      *x509.Certificate
	Expires time.Time // with a precision of one second
}

// The prefixes show a reader which kind of code it has. The digit is the version of the
// format.
const (
	doorPrefix   = "latch-door-1-"
	personPrefix = "latch-person-1-"
	doorFamily   = "latch-door-"
	personFamily = "latch-person-"
)

// content is the content of a code in ASN.1.
type content struct {
	Hub     string `asn1:"utf8"`
	Scope   string `asn1:"utf8"`
	Name    string `asn1:"utf8"`
	Key     []byte
	CA      []byte
	Expires int64
}

// Code returns the code, which is a secret.
func (d Door) Code() (string, error) {
	return encode(doorPrefix, content{d.Hub, d.IDScope, d.RegistrationID, d.Key, d.CA.Raw, d.Expires.Unix()})
}

// ParseDoor parses a code for a door.
func ParseDoor(text string) (Door, error) {
	text = strings.Join(strings.Fields(text), "")
	switch {
	case text == "":
		return Door{}, errors.New("the code is missing; get one with 'latchhub invite door NAME'")
	case strings.HasPrefix(text, personFamily):
		return Door{}, errors.New("this code is for a person; use it with 'latchctl hub add', and get a code for the door with 'latchhub invite door NAME'")
	case !strings.HasPrefix(text, doorFamily):
		return Door{}, errors.New("this is no code for a door; a code begins with " + doorFamily + ", get one with 'latchhub invite door NAME'")
	}

	c, ca, err := decode(doorPrefix, text)
	if err != nil {
		return Door{}, err
	}
	return Door{c.Hub, c.Scope, c.Name, c.Key, ca, time.Unix(c.Expires, 0)}, nil
}

// Code returns the code, which is a secret.
func (p Person) Code() (string, error) {
	return encode(personPrefix, content{Hub: p.Hub, Name: p.Policy, Key: p.Key, CA: p.CA.Raw, Expires: p.Expires.Unix()})
}

// IsPerson reports whether a text is meant to be a code for a person.
func IsPerson(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), personFamily) }

// ParsePerson parses a code for a person.
func ParsePerson(text string) (Person, error) {
	text = strings.Join(strings.Fields(text), "")
	switch {
	case text == "":
		return Person{}, errors.New("the code is missing; get one with 'latchhub invite person NAME'")
	case strings.HasPrefix(text, doorFamily):
		return Person{}, errors.New("this code is for a door; use it on the gateway with 'latchd enroll', and get a code for a person with 'latchhub invite person NAME'")
	case !strings.HasPrefix(text, personFamily):
		return Person{}, errors.New("this is no code for a person; a code begins with " + personFamily + ", get one with 'latchhub invite person NAME'")
	}

	c, ca, err := decode(personPrefix, text)
	if err != nil {
		return Person{}, err
	}
	return Person{c.Hub, c.Name, c.Key, ca, time.Unix(c.Expires, 0)}, nil
}

func encode(prefix string, c content) (string, error) {
	packed, err := asn1.Marshal(c)
	if err != nil {
		return "", err
	}
	packed = binary.BigEndian.AppendUint32(packed, crc32.ChecksumIEEE(packed))
	return prefix + base64.RawURLEncoding.EncodeToString(packed), nil
}

// ErrDamaged means that a code is cut off or changed.
var ErrDamaged = errors.New("the code is damaged or incomplete; copy all of it, or get a new one")

var errVersion = errors.New("the code has a newer format; install the release that the hub has")

// decode parses a code without white space, whose prefix without the version is known to
// be right.
func decode(prefix, text string) (content, *x509.Certificate, error) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return content{}, nil, errVersion
	}
	packed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(packed) < crc32.Size {
		return content{}, nil, ErrDamaged
	}

	packed, sum := packed[:len(packed)-crc32.Size], packed[len(packed)-crc32.Size:]
	if crc32.ChecksumIEEE(packed) != binary.BigEndian.Uint32(sum) {
		return content{}, nil, ErrDamaged
	}

	var c content
	rest, err := asn1.Unmarshal(packed, &c)
	if err != nil || len(rest) > 0 || c.Hub == "" || c.Name == "" || len(c.Key) < 16 {
		return content{}, nil, ErrDamaged
	}
	ca, err := x509.ParseCertificate(c.CA)
	if err != nil || !ca.IsCA {
		return content{}, nil, ErrDamaged
	}
	return c, ca, nil
}
