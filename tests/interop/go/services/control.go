package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/cbor"
	fdohttp "github.com/fido-device-onboard/go-fdo/http"
	"github.com/fido-device-onboard/go-fdo/protocol"
)

const maxBody = 1 << 20

type action func(*http.Request, []byte) ([]byte, error)

// control adds what tests steer the services with. Bodies and answers are CBOR for what FDO
// defines (vouchers, rendezvous information), PEM for keys, and JSON for the rest.
func (s *services) control(mux *http.ServeMux) {
	for pattern, act := range map[string]action{
		"GET /control/keys/{role}/{kind}":     s.publicKey,
		"GET /control/chains/{role}/{kind}":   s.certificateChain,
		"GET /control/device-ca":              s.deviceCACertificate,
		"PUT /control/rvinfo":                 s.setRvInfo,
		"PUT /control/policy":                 s.setPolicy,
		"GET /control/vouchers/{guid}":        s.voucher,
		"POST /control/vouchers":              s.importVoucher,
		"POST /control/vouchers/{guid}/{as}":  s.extend,
		"POST /control/to0/{guid}":            s.register,
		"PUT /control/devices/{guid}/modules": s.setModules,
		"GET /control/devices/{guid}":         s.fate,
	} {
		mux.HandleFunc(pattern, answered(act))
	}
}

func answered(act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			body, err = act(r, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_, _ = w.Write(body)
	}
}

func (s *services) publicKey(r *http.Request, _ []byte) ([]byte, error) {
	found, err := s.credential(r)
	if err != nil {
		return nil, err
	}
	return publicPEM(found.key.Public())
}

func (s *services) certificateChain(r *http.Request, _ []byte) (pem []byte, err error) {
	found, err := s.credential(r)
	for _, one := range found.chain {
		pem = append(pem, pemOf("CERTIFICATE", one.Raw)...)
	}
	return pem, err
}

func (s *services) credential(r *http.Request) (credential, error) {
	rings := map[string]ring{"owner": s.owners, "manufacturer": s.makers}
	found, known := rings[r.PathValue("role")][r.PathValue("kind")]
	if !known {
		return found, errors.New("no such key")
	}
	return found, nil
}

func (s *services) deviceCACertificate(*http.Request, []byte) ([]byte, error) {
	return pemOf("CERTIFICATE", s.deviceCA.chain[0].Raw), nil
}

func (s *services) setRvInfo(_ *http.Request, body []byte) ([]byte, error) {
	var info [][]protocol.RvInstruction
	if err := cbor.Unmarshal(body, &info); err != nil {
		return nil, err
	}
	s.books.mutex.Lock()
	defer s.books.mutex.Unlock()
	s.books.rvInfo = info
	return nil, nil
}

func (s *services) setPolicy(_ *http.Request, body []byte) ([]byte, error) {
	s.books.mutex.Lock()
	defer s.books.mutex.Unlock()
	s.books.policy = usual
	return nil, json.Unmarshal(body, &s.books.policy)
}

func (s *services) voucher(r *http.Request, _ []byte) ([]byte, error) {
	found, err := s.named(r)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(found)
}

// importVoucher takes a voucher as an owner does: after every check that go-fdo has for it.
func (s *services) importVoucher(r *http.Request, body []byte) ([]byte, error) {
	var voucher fdo.Voucher
	if err := cbor.Unmarshal(body, &voucher); err != nil {
		return nil, err
	}
	for _, check := range []func() error{
		voucher.VerifyEntries,
		voucher.VerifyCertChainHash,
		func() error { return voucher.VerifyDeviceCertChain(nil) },
		func() error { return s.ours(&voucher) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return nil, s.books.AddVoucher(r.Context(), &voucher)
}

// ours says whether the voucher's last key is one of this owner's.
func (s *services) ours(voucher *fdo.Voucher) error {
	last, err := voucher.OwnerPublicKey()
	if err != nil {
		return err
	}
	for _, one := range s.owners {
		if samePublic(one.key.Public(), last) {
			return nil
		}
	}
	return errors.New("the voucher names another owner")
}

// extend sells a device on, as its manufacturer or as its owner.
func (s *services) extend(r *http.Request, body []byte) ([]byte, error) {
	voucher, err := s.named(r)
	if err != nil {
		return nil, err
	}
	sellers := s.makers
	if r.PathValue("as") == "owner" {
		sellers = s.owners
	}
	maker := voucher.Header.Val.ManufacturerKey
	seller, _, err := sellers.OwnerKey(r.Context(), maker.Type, maker.RsaBits())
	if err != nil {
		return nil, err
	}
	extended, err := extended(voucher, seller, body)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(extended)
}

// register tells a rendezvous service where this owner is; it answers the granted seconds.
func (s *services) register(r *http.Request, body []byte) ([]byte, error) {
	var wanted struct {
		URL     string `json:"url"`
		Seconds uint32 `json:"seconds"`
		IP      string `json:"ip"`
		Port    uint16 `json:"port"`
	}
	if err := json.Unmarshal(body, &wanted); err != nil {
		return nil, err
	}
	guid, err := guidOf(r)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(wanted.IP)
	client := fdo.TO0Client{Vouchers: s.books, OwnerKeys: s.owners, TTL: wanted.Seconds}
	granted, err := client.RegisterBlob(r.Context(), &fdohttp.Transport{BaseURL: wanted.URL}, guid,
		[]protocol.RvTO2Addr{{IPAddress: &ip, Port: wanted.Port, TransportProtocol: protocol.HTTPTransport}})
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]uint32{"granted": granted})
}

func (s *services) setModules(r *http.Request, body []byte) ([]byte, error) {
	guid, err := guidOf(r)
	if err != nil {
		return nil, err
	}
	var steps []step
	if err := json.Unmarshal(body, &steps); err != nil {
		return nil, err
	}
	s.books.told(guid, func(f *fate) { f.steps = steps })
	return nil, nil
}

func (s *services) fate(r *http.Request, _ []byte) (answer []byte, err error) {
	guid, err := guidOf(r)
	if err != nil {
		return nil, err
	}
	s.books.told(guid, func(f *fate) { answer, err = json.Marshal(f) })
	return answer, err
}

func (s *services) named(r *http.Request) (*fdo.Voucher, error) {
	guid, err := guidOf(r)
	if err != nil {
		return nil, err
	}
	return s.books.Voucher(r.Context(), guid)
}

func guidOf(r *http.Request) (guid protocol.GUID, err error) {
	raw, err := hex.DecodeString(r.PathValue("guid"))
	if err == nil && len(raw) != len(guid) {
		err = fmt.Errorf("a GUID of %d bytes", len(raw))
	}
	copy(guid[:], raw)
	return guid, err
}
