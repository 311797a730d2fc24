// Opens a checkpoint and checks proofs with golang.org/x/mod alone.
//
//	verify VKEY-FILE < {"checkpoint": "…", "older": "…", "consistency": ["…"],
//	                    "entries": [{"index": 0, "leafHash": "…", "hashes": ["…"]}]}
//
// Prints "verified SIZE" and exits 0, or says what is wrong and exits 1.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Checkpoint  string
	Older       string
	Consistency []tlog.Hash
	Entries     []struct {
		Index    int64
		LeafHash tlog.Hash
		Hashes   []tlog.Hash
	}
}

// open verifies a checkpoint's signature and reads its size and root. tlog.ParseTree
// reads the checksum database's own form only.
func open(text string, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root: %q", lines[2])
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

func run() error {
	key, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return err
	}
	var q question
	if err := json.NewDecoder(os.Stdin).Decode(&q); err != nil {
		return err
	}
	tree, err := open(q.Checkpoint, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	for _, e := range q.Entries {
		if err := tlog.CheckRecord(e.Hashes, tree.N, tree.Hash, e.Index, e.LeafHash); err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
	}
	if q.Older != "" {
		older, err := open(q.Older, verifier)
		if err != nil {
			return fmt.Errorf("older checkpoint: %w", err)
		}
		if err := tlog.CheckTree(q.Consistency, tree.N, tree.Hash, older.N, older.Hash); err != nil {
			return fmt.Errorf("consistency from %d: %w", older.N, err)
		}
	}
	fmt.Printf("verified %d\n", tree.N)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Println("wrong:", err)
		os.Exit(1)
	}
}
