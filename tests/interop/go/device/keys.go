package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/fido-device-onboard/go-fdo/protocol"
	"github.com/fido-device-onboard/go-fdo/tpm"
)

// keys are a device's own, in memory or in a TPM.
type keys struct {
	sha256, sha384 hash.Hash
	signer         crypto.Signer
	closers        []io.Closer
}

func (k keys) close() {
	for i := len(k.closers) - 1; i >= 0; i-- {
		_ = k.closers[i].Close()
	}
}

func fromFile(found kept) (keys, error) {
	key, err := x509.ParsePKCS8PrivateKey(found.Key)
	if err != nil {
		return keys{}, err
	}
	signer, known := key.(crypto.Signer)
	if !known {
		return keys{}, fmt.Errorf("a key of type %T", key)
	}
	return keys{
		sha256: hmac.New(sha256.New, found.Secret),
		sha384: hmac.New(sha512.New384, found.Secret),
		signer: signer,
	}, nil
}

// newFile makes keys and writes them down.
func newFile(kind string) (made kept, err error) {
	var key crypto.Signer
	switch kind {
	case "ec256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ec384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa2048", "pss2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072", "pss3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		err = fmt.Errorf("no kind of key is called %q", kind)
	}
	if err != nil {
		return kept{}, err
	}
	made.Secret = make([]byte, 32)
	if _, err := rand.Read(made.Secret); err != nil {
		return kept{}, err
	}
	made.Key, err = x509.MarshalPKCS8PrivateKey(key)
	return made, err
}

// inTPM has the keys that the TPM derives from its seeds: the same ones each time.
func inTPM(address, kind string) (found keys, err error) {
	device, err := open(address)
	if err != nil {
		return keys{}, err
	}
	found.closers = append(found.closers, device)
	small, err := tpm.NewHmac(device, crypto.SHA256)
	if err != nil {
		return found, err
	}
	found.closers = append(found.closers, small)
	large, err := tpm.NewHmac(device, crypto.SHA384)
	if err != nil {
		return found, err
	}
	found.closers = append(found.closers, large)
	key, err := tpmKey(device, kind)
	if err != nil {
		return found, err
	}
	found.closers = append(found.closers, key)
	found.sha256, found.sha384, found.signer = small, large, key
	return found, nil
}

func tpmKey(device tpm.TPM, kind string) (tpm.Key, error) {
	switch kind {
	case "ec256":
		return tpm.GenerateECKey(device, elliptic.P256())
	case "ec384":
		return tpm.GenerateECKey(device, elliptic.P384())
	case "rsa2048":
		return tpm.GenerateRSAKey(device, 2048)
	case "pss2048":
		return tpm.GenerateRSAPSSKey(device, 2048)
	}
	return nil, fmt.Errorf("no kind of key in a TPM is called %q", kind)
}

func isPSS(kind string) bool { return strings.HasPrefix(kind, "pss") }

func keyType(kind string) protocol.KeyType {
	switch kind {
	case "ec256":
		return protocol.Secp256r1KeyType
	case "ec384":
		return protocol.Secp384r1KeyType
	case "rsa2048":
		return protocol.Rsa2048RestrKeyType
	case "rsa3072":
		return protocol.RsaPkcsKeyType
	}
	return protocol.RsaPssKeyType
}

// requestAlg is the algorithm of the certificate request, zero for what x509 chooses.
func requestAlg(kind string) x509.SignatureAlgorithm {
	return map[string]x509.SignatureAlgorithm{
		"rsa3072": x509.SHA384WithRSA,
		"pss2048": x509.SHA256WithRSAPSS,
		"pss3072": x509.SHA384WithRSAPSS,
	}[kind]
}
