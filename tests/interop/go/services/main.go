// Command services runs go-fdo's manufacturing, rendezvous and owner roles on one port, for tests.
//
// The protocol is go-fdo's own; what an application brings (state, keys, which module comes
// next) is here and lives in memory. Tests steer it under /control/. All keys are TEST KEYS.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	portFile := flag.String("port-file", "", "where to write the port, once it serves")
	uploads := flag.String("uploads", ".", "where files of devices are put")
	flag.Parse()

	services, err := newServices(*uploads)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := tellPort(*portFile, listener.Addr().(*net.TCPAddr).Port); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /fdo/101/msg/{msg}", services.handler())
	services.control(mux)
	log.Fatal(http.Serve(listener, mux))
}

// tellPort writes the file whole or not at all: whoever waits for it reads it at once.
func tellPort(path string, port int) error {
	draft := path + ".new"
	if err := os.WriteFile(draft, []byte(strconv.Itoa(port)), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, path)
}
