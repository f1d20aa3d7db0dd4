// Renders conversations through a template as Ollama does: Go's text/template over .System and .Messages.
//
// Reads {"template": TEXT, "conversations": [[{"role": …, "content": …}, …], …]} from standard input and writes a JSON
// array of texts.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func rendered(parsed *template.Template, messages []message) (string, error) {
	var system []string
	for _, one := range messages {
		if one.Role == "system" {
			system = append(system, one.Content)
		}
	}
	var text strings.Builder
	err := parsed.Execute(&text, map[string]any{
		"System":   strings.Join(system, "\n\n"),
		"Messages": messages,
		"Response": "",
	})
	return text.String(), err
}

func main() {
	var given struct {
		Template      string      `json:"template"`
		Conversations [][]message `json:"conversations"`
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fail(json.NewDecoder(os.Stdin).Decode(&given))
	parsed, err := template.New("").Option("missingkey=zero").Parse(given.Template)
	fail(err)
	texts := []string{}
	for _, messages := range given.Conversations {
		text, err := rendered(parsed, messages)
		fail(err)
		texts = append(texts, text)
	}
	fail(json.NewEncoder(os.Stdout).Encode(texts))
}
