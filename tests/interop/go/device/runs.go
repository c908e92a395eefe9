package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"runtime"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/cbor"
	"github.com/fido-device-onboard/go-fdo/cose"
	"github.com/fido-device-onboard/go-fdo/custom"
	fdohttp "github.com/fido-device-onboard/go-fdo/http"
	"github.com/fido-device-onboard/go-fdo/kex"
	"github.com/fido-device-onboard/go-fdo/protocol"
	"github.com/fido-device-onboard/go-fdo/serviceinfo"
)

var encodings = map[string]protocol.KeyEncoding{
	"x509":    protocol.X509KeyEnc,
	"x5chain": protocol.X5ChainKeyEnc,
	"cose":    protocol.CoseKeyEnc,
}

// initialise runs DI with new keys.
func (o options) initialise(ctx context.Context) (guid [16]byte, err error) {
	made, err := kept{}, error(nil)
	if o.tpm == "" {
		if made, err = newFile(o.key); err != nil {
			return guid, err
		}
	}
	made.Kind = o.key
	own, err := o.keys(made)
	defer own.close()
	if err != nil {
		return guid, err
	}
	info, err := o.info(own)
	if err != nil {
		return guid, err
	}
	credential, err := fdo.DI(ctx, &fdohttp.Transport{BaseURL: o.url}, *info, fdo.DIConfig{
		HmacSha256: own.sha256, HmacSha384: own.sha384, Key: own.signer, PSS: isPSS(o.key),
	})
	if err != nil {
		return guid, err
	}
	made.DeviceCredential = *credential
	return made.GUID, o.save(made)
}

func (o options) info(own keys) (*custom.DeviceMfgInfo, error) {
	template := &x509.CertificateRequest{
		Subject:            pkix.Name{CommonName: o.serial},
		SignatureAlgorithm: requestAlg(o.key),
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, own.signer)
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	return &custom.DeviceMfgInfo{
		KeyType:      keyType(o.key),
		KeyEncoding:  encodings[o.encoding],
		SerialNumber: o.serial,
		DeviceInfo:   "go-fdo",
		CertInfo:     cbor.X509CertificateRequest(*request),
	}, nil
}

// onboard runs TO1, unless it is bypassed, and TO2, as the rendezvous information says.
func (o options) onboard(ctx context.Context) (guid [16]byte, err error) {
	found, err := o.load()
	if err != nil {
		return guid, err
	}
	own, err := o.keys(found)
	defer own.close()
	if err != nil {
		return guid, err
	}
	cipher, known := kex.CipherSuiteByName(o.cipher)
	if !known {
		return guid, fmt.Errorf("no cipher suite is called %q", o.cipher)
	}
	credential, err := o.toOwner(ctx, fdo.TO2Config{
		Cred:                 found.DeviceCredential,
		HmacSha256:           own.sha256,
		HmacSha384:           own.sha384,
		Key:                  own.signer,
		PSS:                  isPSS(found.Kind),
		KeyExchange:          kex.Suite(o.kex),
		CipherSuite:          cipher,
		AllowCredentialReuse: o.reuse,
		Devmod: serviceinfo.Devmod{
			Os: runtime.GOOS, Arch: runtime.GOARCH, Version: "1", Device: "go-fdo",
			FileSep: ";", Bin: runtime.GOARCH,
		},
	})
	if err != nil {
		return guid, err
	}
	if credential != nil { // nil when it was reused
		found.DeviceCredential = *credential
	}
	return found.GUID, o.save(found)
}

func (o options) toOwner(ctx context.Context, config fdo.TO2Config) (*fdo.DeviceCredential, error) {
	var failures error
	for _, directive := range protocol.ParseDeviceRvInfo(config.Cred.RvInfo) {
		for _, url := range directive.URLs {
			owner, to1d := url.String(), (*cose.Sign1[protocol.To1d, []byte])(nil)
			if !directive.Bypass {
				var err error
				if owner, to1d, err = redirected(ctx, owner, config); err != nil {
					failures = errors.Join(failures, err)
					continue
				}
			}
			return fdo.TO2(ctx, &fdohttp.Transport{BaseURL: owner}, to1d, config)
		}
	}
	return nil, errors.Join(errors.New("no owner found"), failures)
}

func redirected(ctx context.Context, rendezvous string, config fdo.TO2Config) (
	string, *cose.Sign1[protocol.To1d, []byte], error,
) {
	options := &fdo.TO1Options{PSS: config.PSS}
	to1d, err := fdo.TO1(ctx, &fdohttp.Transport{BaseURL: rendezvous}, config.Cred, config.Key, options)
	if err != nil {
		return "", nil, err
	}
	if len(to1d.Payload.Val.RV) == 0 {
		return "", nil, errors.New("to1d names no owner")
	}
	return to1d.Payload.Val.RV[0].String(), to1d, nil
}

func (o options) keys(found kept) (keys, error) {
	if o.tpm != "" {
		return inTPM(o.tpm, found.Kind)
	}
	return fromFile(found)
}
