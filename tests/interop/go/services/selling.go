package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/fido-device-onboard/go-fdo"
)

// extended adds an entry for the buyer in PEM: a public key, or a chain of certificates.
func extended(voucher *fdo.Voucher, seller crypto.Signer, buyer []byte) (*fdo.Voucher, error) {
	block, rest := pem.Decode(buyer)
	if block == nil {
		return nil, errors.New("the buyer is no PEM")
	}
	if block.Type == "CERTIFICATE" {
		chain, err := certificates(block, rest)
		if err != nil {
			return nil, err
		}
		return fdo.ExtendVoucher(voucher, seller, chain, nil)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return fdo.ExtendVoucher(voucher, seller, key, nil)
	case *rsa.PublicKey:
		return fdo.ExtendVoucher(voucher, seller, key, nil)
	}
	return nil, fmt.Errorf("a buyer's key of type %T", key)
}

func certificates(block *pem.Block, rest []byte) (chain []*x509.Certificate, err error) {
	for block != nil {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, certificate)
		block, rest = pem.Decode(rest)
	}
	return chain, nil
}

func samePublic(one, other crypto.PublicKey) bool {
	comparable, known := one.(interface{ Equal(crypto.PublicKey) bool })
	return known && comparable.Equal(other)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
