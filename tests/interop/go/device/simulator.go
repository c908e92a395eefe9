//go:build simulator

package main

import (
	"strconv"

	"github.com/google/go-tpm-tools/simulator"
	"github.com/google/go-tpm/tpm2/transport"
)

// open starts Microsoft's TPM simulator in this process; the address is the number it derives
// its seeds from, so that it is the same TPM each time. That needs cgo and OpenSSL's headers.
func open(address string) (transport.TPMCloser, error) {
	seed, err := strconv.ParseInt(address, 10, 64)
	if err != nil {
		return nil, err
	}
	started, err := simulator.GetWithFixedSeedInsecure(seed)
	if err != nil {
		return nil, err
	}
	return transport.FromReadWriteCloser(started), nil
}
