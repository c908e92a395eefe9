package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/custom"
	fdohttp "github.com/fido-device-onboard/go-fdo/http"
	"github.com/fido-device-onboard/go-fdo/protocol"
)

// services are the three roles over the same books.
type services struct {
	sessions *sessions
	books    *books
	makers   ring
	owners   ring
	deviceCA credential
	uploads  string
}

func newServices(uploads string) (*services, error) {
	makers, err := newRing("go-fdo manufacturer")
	if err != nil {
		return nil, err
	}
	owners, err := newRing("go-fdo owner")
	if err != nil {
		return nil, err
	}
	return &services{
		sessions: &sessions{runs: make(map[string]*run)},
		books:    newBooks(),
		makers:   makers,
		owners:   owners,
		deviceCA: makers["ec384"],
		uploads:  uploads,
	}, nil
}

func (s *services) handler() http.Handler {
	return fdohttp.Handler{
		Tokens: s.sessions,
		DIResponder: &fdo.DIServer[custom.DeviceMfgInfo]{
			Session:               s.sessions,
			Vouchers:              s.books,
			SignDeviceCertificate: custom.SignDeviceCertificate(s.deviceCA.key, s.deviceCA.chain),
			DeviceInfo:            s.deviceInfo,
			RvInfo: func(context.Context, *fdo.Voucher) ([][]protocol.RvInstruction, error) {
				return s.books.rvInfoNow(), nil
			},
		},
		TO0Responder: &fdo.TO0Server{Session: s.sessions, RVBlobs: s.books, AcceptVoucher: s.accept},
		TO1Responder: &fdo.TO1Server{Session: s.sessions, RVBlobs: s.books},
		TO2Responder: watched{s.owner(), s},
	}
}

func (s *services) owner() *fdo.TO2Server {
	return &fdo.TO2Server{
		Session:   s.sessions,
		Modules:   s,
		Vouchers:  s.books,
		OwnerKeys: s.owners,
		RvInfo: func(context.Context, fdo.Voucher) ([][]protocol.RvInstruction, error) {
			return s.books.rvInfoNow(), nil
		},
		ReuseCredential: func(context.Context, fdo.Voucher) (bool, error) {
			return s.books.policyNow().Reuse, nil
		},
		MaxDeviceServiceInfoSize: func(context.Context, fdo.Voucher) (uint16, error) {
			return s.books.policyNow().MaxServiceInfo, nil
		},
	}
}

// deviceInfo picks the manufacturer's key that goes with the device's.
func (s *services) deviceInfo(_ context.Context, info *custom.DeviceMfgInfo, chain []*x509.Certificate) (
	string, protocol.PublicKey, error,
) {
	bits := 0
	if key, isRSA := chain[0].PublicKey.(*rsa.PublicKey); isRSA {
		bits = key.N.BitLen()
	}
	maker, known := s.makers[kindOf(info.KeyType, bits)]
	if !known {
		return "", protocol.PublicKey{}, fdo.ErrUnsupportedKeyType(info.KeyType)
	}
	key, err := maker.encoded(info.KeyType, info.KeyEncoding)
	if err != nil {
		return "", protocol.PublicKey{}, err
	}
	return info.DeviceInfo, *key, nil
}

// accept clamps what an owner asks for, as a rendezvous service may.
func (s *services) accept(_ context.Context, _ fdo.Voucher, wanted uint32) (uint32, error) {
	if most := s.books.policyNow().MaxTTL; most > 0 && wanted > most {
		return most, nil
	}
	return wanted, nil
}

// watched notes how each run of TO2 ends.
type watched struct {
	*fdo.TO2Server
	services *services
}

func (w watched) Respond(ctx context.Context, msgType uint8, msg io.Reader) (uint8, any) {
	kind, reply := w.TO2Server.Respond(ctx, msgType, msg)
	guid, err := w.services.sessions.GUID(ctx)
	if err != nil {
		return kind, reply
	}
	w.services.books.told(guid, func(f *fate) {
		switch kind {
		case protocol.TO2Done2MsgType:
			f.Done = true
		case protocol.ErrorMsgType:
			f.Error = fmt.Sprint(reply)
		}
	})
	return kind, reply
}

// HandleError notes what a device reports.
func (w watched) HandleError(ctx context.Context, message protocol.ErrorMessage) {
	if guid, err := w.services.sessions.GUID(ctx); err == nil {
		w.services.books.told(guid, func(f *fate) { f.Error = message.String() })
	}
	w.TO2Server.HandleError(ctx, message)
}

func hexOf(guid protocol.GUID) string { return hex.EncodeToString(guid[:]) }
