package main

import (
	"context"
	"crypto/x509"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/protocol"
	"github.com/fido-device-onboard/go-fdo/serviceinfo"
)

// What follows are the getters and setters of go-fdo's session interfaces, one line each.

type (
	chain      = []*x509.Certificate
	directives = [][]protocol.RvInstruction
)

func ofChain(r *run) **chain                { return &r.chain }
func ofTO0(r *run) **protocol.Nonce         { return &r.to0 }
func ofTO1(r *run) **protocol.Nonce         { return &r.to1 }
func ofGUID(r *run) **protocol.GUID         { return &r.guid }
func ofRvInfo(r *run) **directives          { return &r.rvInfo }
func ofReplacement(r *run) **protocol.GUID  { return &r.replacement }
func ofHmac(r *run) **protocol.Hmac         { return &r.hmac }
func ofProveDevice(r *run) **protocol.Nonce { return &r.proveDevice }
func ofSetupDevice(r *run) **protocol.Nonce { return &r.setupDevice }
func ofMTU(r *run) **uint16                 { return &r.mtu }
func ofDevmod(r *run) **devmod              { return &r.devmod }
func ofHeader(r *run) **fdo.VoucherHeader   { return &r.header }
func ofModules(r *run) **sequence           { return &r.modules }

func (s *sessions) SetDeviceCertChain(ctx context.Context, v []*x509.Certificate) error {
	return put(ctx, s, v, ofChain)
}

func (s *sessions) DeviceCertChain(ctx context.Context) ([]*x509.Certificate, error) {
	return get(ctx, s, ofChain)
}

func (s *sessions) SetIncompleteVoucherHeader(ctx context.Context, v *fdo.VoucherHeader) error {
	return put(ctx, s, *v, ofHeader)
}

func (s *sessions) IncompleteVoucherHeader(ctx context.Context) (*fdo.VoucherHeader, error) {
	header, err := get(ctx, s, ofHeader)
	return &header, err
}

func (s *sessions) SetTO0SignNonce(ctx context.Context, v protocol.Nonce) error {
	return put(ctx, s, v, ofTO0)
}

func (s *sessions) TO0SignNonce(ctx context.Context) (protocol.Nonce, error) {
	return get(ctx, s, ofTO0)
}

func (s *sessions) SetTO1ProofNonce(ctx context.Context, v protocol.Nonce) error {
	return put(ctx, s, v, ofTO1)
}

func (s *sessions) TO1ProofNonce(ctx context.Context) (protocol.Nonce, error) {
	return get(ctx, s, ofTO1)
}

func (s *sessions) SetGUID(ctx context.Context, v protocol.GUID) error {
	return put(ctx, s, v, ofGUID)
}

func (s *sessions) GUID(ctx context.Context) (protocol.GUID, error) {
	return get(ctx, s, ofGUID)
}

func (s *sessions) SetRvInfo(ctx context.Context, v [][]protocol.RvInstruction) error {
	return put(ctx, s, v, ofRvInfo)
}

func (s *sessions) RvInfo(ctx context.Context) ([][]protocol.RvInstruction, error) {
	return get(ctx, s, ofRvInfo)
}

func (s *sessions) SetReplacementGUID(ctx context.Context, v protocol.GUID) error {
	return put(ctx, s, v, ofReplacement)
}

func (s *sessions) ReplacementGUID(ctx context.Context) (protocol.GUID, error) {
	return get(ctx, s, ofReplacement)
}

func (s *sessions) SetReplacementHmac(ctx context.Context, v protocol.Hmac) error {
	return put(ctx, s, v, ofHmac)
}

func (s *sessions) ReplacementHmac(ctx context.Context) (protocol.Hmac, error) {
	return get(ctx, s, ofHmac)
}

func (s *sessions) SetProveDeviceNonce(ctx context.Context, v protocol.Nonce) error {
	return put(ctx, s, v, ofProveDevice)
}

func (s *sessions) ProveDeviceNonce(ctx context.Context) (protocol.Nonce, error) {
	return get(ctx, s, ofProveDevice)
}

func (s *sessions) SetSetupDeviceNonce(ctx context.Context, v protocol.Nonce) error {
	return put(ctx, s, v, ofSetupDevice)
}

func (s *sessions) SetupDeviceNonce(ctx context.Context) (protocol.Nonce, error) {
	return get(ctx, s, ofSetupDevice)
}

func (s *sessions) SetMTU(ctx context.Context, v uint16) error { return put(ctx, s, v, ofMTU) }

func (s *sessions) MTU(ctx context.Context) (uint16, error) { return get(ctx, s, ofMTU) }

func (s *sessions) SetDevmod(ctx context.Context, v serviceinfo.Devmod, modules []string, complete bool) error {
	return put(ctx, s, devmod{v, modules, complete}, ofDevmod)
}

func (s *sessions) Devmod(ctx context.Context) (serviceinfo.Devmod, []string, bool, error) {
	v, err := get(ctx, s, ofDevmod)
	return v.Devmod, v.modules, v.complete, err
}
