// A door before runc. Control groups are not ours inside an unprivileged namespace,
// so they are taken out of a container's specification before runc sees it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	if slices.Contains(os.Args, "create") {
		for i, argument := range os.Args {
			if argument == "--bundle" && i+1 < len(os.Args) {
				if err := withoutCgroups(filepath.Join(os.Args[i+1], "config.json")); err != nil {
					fail(err)
				}
			}
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		runc = "/usr/sbin/runc"
	}
	fail(syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ()))
}

func withoutCgroups(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec, linux map[string]json.RawMessage
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	if err := json.Unmarshal(spec["linux"], &linux); err != nil {
		return err
	}
	delete(linux, "cgroupsPath")
	delete(linux, "resources")
	if spec["linux"], err = json.Marshal(linux); err != nil {
		return err
	}
	if text, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "runc-without-cgroups:", err)
	os.Exit(1)
}
