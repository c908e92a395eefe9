//go:build !simulator

package main

import (
	"net"

	"github.com/google/go-tpm/tpm2/transport"
)

// open connects to a TPM that takes commands over TCP.
func open(address string) (transport.TPMCloser, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return transport.FromReadWriteCloser(connection), nil
}
