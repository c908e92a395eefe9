package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding"
	"encoding/hex"
	"sync"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/kex"
	"github.com/fido-device-onboard/go-fdo/protocol"
	"github.com/fido-device-onboard/go-fdo/serviceinfo"
)

// run is what go-fdo has a server remember of one protocol run.
type run struct {
	chain       *[]*x509.Certificate
	header      *fdo.VoucherHeader
	to0, to1    *protocol.Nonce
	guid        *protocol.GUID
	rvInfo      *[][]protocol.RvInstruction
	replacement *protocol.GUID
	hmac        *protocol.Hmac
	suite       kex.Suite
	exchange    *[]byte
	proveDevice *protocol.Nonce
	setupDevice *protocol.Nonce
	mtu         *uint16
	devmod      *devmod
	modules     *sequence
}

type devmod struct {
	serviceinfo.Devmod
	modules  []string
	complete bool
}

// sessions keeps the runs, by token.
type sessions struct {
	mutex sync.Mutex
	runs  map[string]*run
}

type tokenKey struct{}

func (s *sessions) NewToken(context.Context, protocol.Protocol) (string, error) {
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return "", err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.runs[hex.EncodeToString(token)] = &run{}
	return hex.EncodeToString(token), nil
}

func (s *sessions) InvalidateToken(ctx context.Context) error {
	token, _ := s.TokenFromContext(ctx)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, known := s.runs[token]; !known {
		return fdo.ErrNotFound
	}
	delete(s.runs, token)
	return nil
}

func (s *sessions) TokenContext(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

func (s *sessions) TokenFromContext(ctx context.Context) (string, bool) {
	token, known := ctx.Value(tokenKey{}).(string)
	return token, known
}

// at calls use with the run of ctx, and nobody else has it meanwhile.
func (s *sessions) at(ctx context.Context, use func(*run) error) error {
	token, _ := s.TokenFromContext(ctx)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, known := s.runs[token]
	if !known {
		return fdo.ErrInvalidSession
	}
	return use(found)
}

func put[T any](ctx context.Context, s *sessions, value T, field func(*run) **T) error {
	return s.at(ctx, func(r *run) error {
		*field(r) = &value
		return nil
	})
}

func get[T any](ctx context.Context, s *sessions, field func(*run) **T) (value T, err error) {
	err = s.at(ctx, func(r *run) error {
		kept := *field(r)
		if kept == nil {
			return fdo.ErrNotFound
		}
		value = *kept
		return nil
	})
	return value, err
}

// SetXSession writes the exchange down: its secrets are erased after the call.
func (s *sessions) SetXSession(ctx context.Context, suite kex.Suite, session kex.Session) error {
	data, err := session.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	return s.at(ctx, func(r *run) error {
		r.suite, r.exchange = suite, &data
		return nil
	})
}

func (s *sessions) XSession(ctx context.Context) (suite kex.Suite, session kex.Session, err error) {
	err = s.at(ctx, func(r *run) error {
		if r.exchange == nil {
			return fdo.ErrNotFound
		}
		suite, session = r.suite, r.suite.New(nil, kex.A128GcmCipher) // the kept cipher replaces it
		return session.(encoding.BinaryUnmarshaler).UnmarshalBinary(*r.exchange)
	})
	return suite, session, err
}
