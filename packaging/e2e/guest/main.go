// Guest is the hands of the end-to-end tests in the virtual machine: an HTTP
// server that runs shell scripts, makes a simulated GPIO chip with a door behind
// it, and watches a line for edges. It is for a machine that nobody else reaches.
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
	mux.HandleFunc("POST /chip", answer(g.plug))
	mux.HandleFunc("POST /pull", answer(g.pull))
	mux.HandleFunc("POST /door", answer(g.door))
	mux.HandleFunc("POST /level", answer(g.level))
	mux.HandleFunc("POST /hold", answer(g.hold))
	mux.HandleFunc("POST /watch", answer(g.watch))
	mux.HandleFunc("POST /watched", answer(g.watched))
	// The test's driver waits for this line on the console.
	log.Print("guest ready")
	return (&http.Server{Addr: ":7000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe()
}

// answer makes a handler of a function from one JSON value to another.
func answer[In, Out any](do func(In) (Out, error)) http.HandlerFunc {
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

// Result is what became of a script.
type Result struct {
	Status int
	Output string // standard output and standard error
}

// runScript runs the body as a shell script of root's.
func runScript(w http.ResponseWriter, r *http.Request) {
	script, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu")
	cmd.Stdin = bytes.NewReader(script)
	cmd.Env = append(os.Environ(), "HOME=/root")
	cmd.WaitDelay = time.Second // for what it leaves in the background
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

// putFile writes the body to the path, with the mode, that the query names.
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
