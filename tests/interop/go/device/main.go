// Command device is a device over the go-fdo library, for what go-fdo-client lacks: RSA keys that
// sign with PSS, and keys in a TPM that is reached over TCP. It tells the GUID it has in the end.
//
//	device di -url URL -serial S -key KIND -encoding E
//	device onboard -kex SUITE -cipher NAME [-reuse]
//
// Both take -credential FILE and -tpm HOST:PORT. Built with the tag "simulator" they have a TPM
// in their own process, and -tpm is a number to make it from. All keys are TEST KEYS.
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/fido-device-onboard/go-fdo"
	"github.com/fido-device-onboard/go-fdo/cbor"
)

type options struct {
	url, serial, key, encoding string
	kex, cipher                string
	credential, tpm            string
	reuse                      bool
}

// kept is the file of a device; Secret and Key are empty where a TPM has them.
type kept struct {
	fdo.DeviceCredential
	Kind   string
	Secret []byte
	Key    []byte
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("di or onboard?")
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.url, "url", "", "the manufacturing service")
	flags.StringVar(&o.serial, "serial", "", "serial number")
	flags.StringVar(&o.key, "key", "ec256", "ec256, ec384, rsa2048, rsa3072, pss2048 or pss3072")
	flags.StringVar(&o.encoding, "encoding", "x509", "x509, x5chain or cose")
	flags.StringVar(&o.kex, "kex", "", "key exchange")
	flags.StringVar(&o.cipher, "cipher", "", "cipher suite")
	flags.StringVar(&o.credential, "credential", "credential", "file")
	flags.StringVar(&o.tpm, "tpm", "", "where a TPM takes commands, or a number to simulate one from")
	flags.BoolVar(&o.reuse, "reuse", false, "let the owner leave the credential as it is")
	_ = flags.Parse(os.Args[2:])

	guid, err := o.run(context.Background(), os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hex.EncodeToString(guid[:]))
}

func (o options) run(ctx context.Context, what string) (guid [16]byte, err error) {
	switch what {
	case "di":
		guid, err = o.initialise(ctx)
	case "onboard":
		guid, err = o.onboard(ctx)
	default:
		err = errors.New("neither di nor onboard")
	}
	return guid, err
}

func (o options) load() (found kept, err error) {
	data, err := os.ReadFile(o.credential)
	if err == nil {
		err = cbor.Unmarshal(data, &found)
	}
	return found, err
}

func (o options) save(made kept) error {
	data, err := cbor.Marshal(made)
	if err != nil {
		return err
	}
	return os.WriteFile(o.credential, data, 0o600)
}
