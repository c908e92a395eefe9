package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"fmt"
	"net/url"

	"github.com/fido-device-onboard/go-fdo/fsim"
	"github.com/fido-device-onboard/go-fdo/serviceinfo"
)

// step is one ServiceInfo module that a device is to be put through.
type step struct {
	Module  string   `json:"module"`
	Name    string   `json:"name"`
	Content []byte   `json:"content"`
	Command string   `json:"command"`
	Args    []string `json:"args"`
	MayFail bool     `json:"may_fail"`
	URL     string   `json:"url"`
}

// sequence is where one run stands in its steps; its number -1 is before the first.
type sequence struct {
	steps   []step
	number  int
	current serviceinfo.OwnerModule
}

// Module implements serviceinfo.ModuleStateMachine.
func (s *services) Module(ctx context.Context) (string, serviceinfo.OwnerModule, error) {
	at, err := get(ctx, s.sessions, ofModules)
	if err != nil {
		return "", nil, err
	}
	return at.steps[at.number].Module, at.current, nil
}

// NextModule implements serviceinfo.ModuleStateMachine.
func (s *services) NextModule(ctx context.Context) (bool, error) {
	at, err := s.position(ctx)
	if err != nil {
		return false, err
	}
	at.number++
	if at.number == len(at.steps) {
		return false, nil
	}
	if at.current, err = s.build(ctx, at.steps[at.number]); err != nil {
		return false, err
	}
	return true, put(ctx, s.sessions, at, ofModules)
}

func (s *services) position(ctx context.Context) (sequence, error) {
	if at, err := get(ctx, s.sessions, ofModules); err == nil {
		return at, nil
	}
	guid, err := s.sessions.GUID(ctx)
	if err != nil {
		return sequence{}, err
	}
	_, announced, _, err := s.sessions.Devmod(ctx)
	at := sequence{number: -1}
	s.books.told(guid, func(f *fate) { at.steps, f.Modules = f.steps, announced })
	return at, err
}

// CleanupModules implements serviceinfo.ModuleStateMachine; there is nothing to end.
func (s *services) CleanupModules(context.Context) {}

func (s *services) build(ctx context.Context, one step) (serviceinfo.OwnerModule, error) {
	switch one.Module {
	case "fdo.download":
		return &fsim.DownloadContents[*bytes.Reader]{
			Name: one.Name, Contents: bytes.NewReader(one.Content), MustDownload: !one.MayFail,
		}, nil
	case "fdo.upload":
		return &fsim.UploadRequest{Dir: s.uploads, Name: one.Name}, nil
	case "fdo.command":
		return s.command(ctx, one)
	case "fdo.wget":
		from, err := url.Parse(one.URL)
		if err != nil {
			return nil, err
		}
		digest := sha512.Sum384(one.Content)
		return &fsim.WgetCommand{
			Name: one.Name, URL: from, Length: int64(len(one.Content)), Checksum: digest[:],
		}, nil
	}
	return nil, fmt.Errorf("no module is called %q", one.Module)
}

func (s *services) command(ctx context.Context, one step) (serviceinfo.OwnerModule, error) {
	guid, err := s.sessions.GUID(ctx)
	if err != nil {
		return nil, err
	}
	exit := make(chan int, 1)
	go func() {
		code := <-exit
		s.books.told(guid, func(f *fate) { f.ExitCode = code })
	}()
	out := telling{s, func(text string) { s.books.told(guid, func(f *fate) { f.Stdout += text }) }}
	bad := telling{s, func(text string) { s.books.told(guid, func(f *fate) { f.Stderr += text }) }}
	return &fsim.RunCommand{
		Command: one.Command, Args: one.Args, MayFail: one.MayFail,
		Stdout: out, Stderr: bad, ExitChan: exit,
	}, nil
}

// telling is a writer that passes on what is written.
type telling struct {
	services *services
	tell     func(string)
}

func (t telling) Write(data []byte) (int, error) {
	t.tell(string(data))
	return len(data), nil
}
