// Guest runs inside the virtual machine of the end-to-end tests. It is an HTTP server
// with which a test runs shell scripts, operates a simulated GPIO chip with a door, and
// records the events of a GPIO line.
//
// Guest gives root access without a password, so only the test may reach the machine.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	g := &guest{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /run", runScript)
	mux.HandleFunc("PUT /file", putFile)
	mux.HandleFunc("POST /chip", handler(g.plug))
	mux.HandleFunc("POST /pull", handler(g.pull))
	mux.HandleFunc("POST /door", handler(g.door))
	mux.HandleFunc("POST /level", handler(g.level))
	mux.HandleFunc("POST /occupy", handler(g.occupy))
	mux.HandleFunc("POST /expander", handler(g.makeExpander))
	mux.HandleFunc("POST /expander/remove", handler(g.removeExpander))
	mux.HandleFunc("POST /expander/contact", handler(g.contact))
	mux.HandleFunc("POST /watch", handler(g.watch))
	mux.HandleFunc("POST /watched", handler(g.watched))

	log.Print("guest ready") // the test waits until this line appears on the console
	return (&http.Server{Addr: ":7000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe()
}

// handler makes an HTTP handler from a function. It decodes the request's JSON body as
// the function's argument and writes the function's result as JSON.
func handler[In, Out any](do func(In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := json.NewDecoder(r.Body).Decode(&in)
		var out Out
		if err == nil {
			out, err = do(in)
		}

		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(out)
	}
}

// Result is the result of a shell script that has ended.
type Result struct {
	Status int    // exit status
	Output string // standard output and standard error
}

// runScript runs the request's body as a shell script with root's rights.
func runScript(w http.ResponseWriter, r *http.Request) {
	script, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	ctx, stop := context.WithTimeout(context.Background(), 6*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu")
	cmd.Stdin = bytes.NewReader(script)
	cmd.Env = append(os.Environ(), "HOME=/root")
	cmd.WaitDelay = time.Second // do not wait for background processes that keep the output open
	out, err := cmd.CombinedOutput()

	result := Result{Output: string(out)}
	if cmd.ProcessState != nil {
		result.Status = cmd.ProcessState.ExitCode()
	}
	if err != nil && result.Status == 0 {
		result.Output += fmt.Sprintf("\n%v", err)
	}
	json.NewEncoder(w).Encode(result)
}

// putFile writes the request's body to a file. The request's query gives the file's
// path and mode.
func putFile(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("path")
	var mode os.FileMode
	_, err := fmt.Sscanf(r.URL.Query().Get("mode"), "%o", &mode)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = write(path, r.Body, mode)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func write(path string, from io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}

	if _, err = io.Copy(f, from); err == nil {
		err = f.Chmod(mode)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
