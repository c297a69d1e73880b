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
	HTML     string   `placeholder:"FILE" help:"Write one page with everything in it."`
	SVG      string   `placeholder:"DIR" help:"Write each plot as a file."`
	Markdown string   `placeholder:"FILE" help:"Write tables for a README; - is standard output."`
	Results  []string `arg:"" name:"result" help:"Saved results (--json). Those of the same kind are put side by side."`
}

func (c *reportCmd) Run() error {
	if c.HTML == "" && c.SVG == "" && c.Markdown == "" {
		return errors.New("nothing to write: want --html, --svg or --markdown")
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
	if c.Markdown == "" {
		return nil
	}
	return write(c.Markdown, func(w io.Writer) error { return report.Markdown(w, results) })
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
