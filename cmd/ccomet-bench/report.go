package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"ccomet/bench/report"
	"ccomet/bench/result"
)

type reportCmd struct {
	HTML     string   `placeholder:"FILE" help:"Write an HTML page with everything."`
	SVG      string   `placeholder:"DIR" help:"Write each plot to a file."`
	Markdown string   `placeholder:"FILE" help:"Write tables for a README; - is standard output."`
	Update   string   `placeholder:"FILE" help:"Put the tables into a Markdown document, where it has a place for each kind: a line <!-- bench: KIND -->, and a line <!-- bench end -->."`
	Results  []string `arg:"" name:"result" help:"Saved results (--json). Those of the same kind are put side by side."`
}

func (c *reportCmd) Run() error {
	if c.HTML == "" && c.SVG == "" && c.Markdown == "" && c.Update == "" {
		return errors.New("nothing to write: want --html, --svg, --markdown or --update")
	}
	var results []*result.Result
	for _, name := range c.Results {
		r, err := result.Load(name)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if c.HTML != "" {
		if err := write(c.HTML, func(w io.Writer) error { return report.HTML(w, results) }); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "wrote", c.HTML)
	}
	if c.SVG != "" {
		names, err := report.SVGs(c.SVG, results)
		for _, name := range names {
			fmt.Fprintln(os.Stderr, "wrote", name)
		}
		if err != nil {
			return err
		}
	}
	if c.Update != "" {
		if err := update(c.Update, results); err != nil {
			return fmt.Errorf("%s: %w", c.Update, err)
		}
		fmt.Fprintln(os.Stderr, "wrote", c.Update)
	}
	if c.Markdown == "" {
		return nil
	}
	return write(c.Markdown, func(w io.Writer) error { return report.Markdown(w, results) })
}

func update(name string, results []*result.Result) error {
	document, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	updated, err := report.Update(string(document), results)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(updated), 0o644)
}

// write writes a file; "-" is standard output.
func write(name string, to func(io.Writer) error) error {
	if name == "-" {
		return to(os.Stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(to(f), f.Close())
}
