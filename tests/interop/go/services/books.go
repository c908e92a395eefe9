package main

import (
	"context"
	"sync"
	"time"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/cose"
	"github.com/fido-device-onboard/go-fdo/protocol"
	"github.com/fido-device-onboard/go-fdo/serviceinfo"
)

// books keeps vouchers, registrations and what became of each device.
type books struct {
	mutex    sync.Mutex
	vouchers map[protocol.GUID]*fdo.Voucher
	blobs    map[protocol.GUID]registration
	fates    map[protocol.GUID]*fate
	policy   policy
	rvInfo   [][]protocol.RvInstruction
}

type registration struct {
	voucher *fdo.Voucher
	to1d    *cose.Sign1[protocol.To1d, []byte]
	expires time.Time
}

// fate is what tests ask about a device; Replacement is its GUID after TO2.
type fate struct {
	Done        bool     `json:"done"`
	Error       string   `json:"error"`
	Replacement string   `json:"replacement"`
	Modules     []string `json:"modules"`
	Stdout      string   `json:"stdout"`
	Stderr      string   `json:"stderr"`
	ExitCode    int      `json:"exit_code"`
	steps       []step
}

// policy is what tests tell the services to do; MaxTTL zero is no limit.
type policy struct {
	Reuse          bool   `json:"reuse"`
	MaxTTL         uint32 `json:"max_ttl"`
	MaxServiceInfo uint16 `json:"max_service_info"`
}

var usual = policy{MaxServiceInfo: serviceinfo.DefaultMTU}

func newBooks() *books {
	return &books{
		vouchers: make(map[protocol.GUID]*fdo.Voucher),
		blobs:    make(map[protocol.GUID]registration),
		fates:    make(map[protocol.GUID]*fate),
		policy:   usual,
	}
}

func (b *books) AddVoucher(_ context.Context, voucher *fdo.Voucher) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.vouchers[voucher.Header.Val.GUID] = voucher
	return nil
}

func (b *books) Voucher(_ context.Context, guid protocol.GUID) (*fdo.Voucher, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	voucher, known := b.vouchers[guid]
	if !known {
		return nil, fdo.ErrNotFound
	}
	return voucher, nil
}

// ReplaceVoucher implements fdo.OwnerVoucherPersistentState.
func (b *books) ReplaceVoucher(_ context.Context, guid protocol.GUID, voucher *fdo.Voucher) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	delete(b.vouchers, guid)
	b.vouchers[voucher.Header.Val.GUID] = voucher
	b.fate(guid).Replacement = hexOf(voucher.Header.Val.GUID)
	return nil
}

func (b *books) SetRVBlob(
	_ context.Context, voucher *fdo.Voucher, to1d *cose.Sign1[protocol.To1d, []byte], expires time.Time,
) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.blobs[voucher.Header.Val.GUID] = registration{voucher, to1d, expires}
	return nil
}

func (b *books) RVBlob(_ context.Context, guid protocol.GUID) (
	*cose.Sign1[protocol.To1d, []byte], *fdo.Voucher, error,
) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	found, known := b.blobs[guid]
	if !known || time.Now().After(found.expires) {
		return nil, nil, fdo.ErrNotFound
	}
	return found.to1d, found.voucher, nil
}

// told calls use with the fate of a device.
func (b *books) told(guid protocol.GUID, use func(*fate)) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	use(b.fate(guid))
}

// fate is for callers that hold the mutex.
func (b *books) fate(guid protocol.GUID) *fate {
	if b.fates[guid] == nil {
		b.fates[guid] = &fate{Modules: []string{}, ExitCode: -1}
	}
	return b.fates[guid]
}

func (b *books) policyNow() policy {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.policy
}

func (b *books) rvInfoNow() [][]protocol.RvInstruction {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.rvInfo
}
