package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/protocol"
)

// credential is a key and the certificate it signed for itself.
type credential struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

// ring holds one key of every kind, by the names that go-fdo-client gives them.
type ring map[string]credential

var kinds = []string{"ec256", "ec384", "rsa2048", "rsa3072"}

func newRing(owner string) (ring, error) {
	made := make(ring)
	for _, kind := range kinds {
		key, err := newKey(kind)
		if err != nil {
			return nil, err
		}
		chain, err := selfSigned(key, owner+" "+kind)
		if err != nil {
			return nil, err
		}
		made[kind] = credential{key, chain}
	}
	return made, nil
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ec256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ec384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return nil, fmt.Errorf("no kind of key is called %q", kind)
}

func selfSigned(key crypto.Signer, name string) ([]*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(30, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return []*x509.Certificate{certificate}, err
}

// kindOf names the kind of key that goes with an FDO key type.
func kindOf(keyType protocol.KeyType, rsaBits int) string {
	switch keyType {
	case protocol.Secp256r1KeyType:
		return "ec256"
	case protocol.Secp384r1KeyType:
		return "ec384"
	case protocol.Rsa2048RestrKeyType:
		return "rsa2048"
	}
	return fmt.Sprintf("rsa%d", rsaBits)
}

// OwnerKey implements fdo.OwnerKeyPersistentState.
func (r ring) OwnerKey(_ context.Context, keyType protocol.KeyType, rsaBits int) (
	crypto.Signer, []*x509.Certificate, error,
) {
	found, known := r[kindOf(keyType, rsaBits)]
	if !known {
		return nil, nil, fdo.ErrUnsupportedKeyType(keyType)
	}
	return found.key, found.chain, nil
}

func publicPEM(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pemOf("PUBLIC KEY", der), nil
}

// encoded writes a manufacturer's key in the encoding that a device asked for.
func (c credential) encoded(keyType protocol.KeyType, encoding protocol.KeyEncoding) (*protocol.PublicKey, error) {
	if encoding == protocol.X5ChainKeyEnc {
		return protocol.NewPublicKey(keyType, c.chain, false)
	}
	asCOSE := encoding == protocol.CoseKeyEnc
	switch key := c.key.Public().(type) {
	case *ecdsa.PublicKey:
		return protocol.NewPublicKey(keyType, key, asCOSE)
	case *rsa.PublicKey:
		return protocol.NewPublicKey(keyType, key, asCOSE)
	}
	return nil, fmt.Errorf("a key of type %T", c.key)
}
