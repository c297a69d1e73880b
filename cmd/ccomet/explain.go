package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// explanation is the comment of ccomet.toml on one setting. A flag of the same name, of any
// command, gets its help from there, so that the text is written only once.
type explanation struct {
	text  string // the first paragraph of the comment; the rest is only in the file
	group *kong.Group
}

var (
	sectionLine = regexp.MustCompile(`^# --- (.+?) -+$`)
	keyLine     = regexp.MustCompile(`^([a-z-]+) = `)
)

// explanations parses a text in the form of ccomet.toml. A section begins with a line of dashes
// that contains its title. The lines after it, up to an empty line, are its description.
func explanations(text string) map[string]explanation {
	found := map[string]explanation{}
	var (
		group   *kong.Group
		comment []string
	)
	for _, line := range strings.Split(text, "\n") {
		if title := sectionLine.FindStringSubmatch(line); title != nil {
			group, comment = &kong.Group{Key: title[1], Title: title[1] + ":"}, nil
		} else if strings.HasPrefix(line, "#") {
			comment = append(comment, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
		} else if key := keyLine.FindStringSubmatch(line); key != nil {
			found[key[1]] = explanation{firstParagraph(comment), group}
			comment = nil
		} else {
			if group != nil && group.Description == "" {
				group.Description = strings.Join(comment, " ")
			}
			comment = nil
		}
	}
	return found
}

func firstParagraph(lines []string) string {
	for i, line := range lines {
		if line == "" {
			lines = lines[:i]
			break
		}
	}
	return strings.Join(lines, " ")
}

// explain sets the help of flags without one, and their group if they have none.
func explain(k *kong.Kong) error {
	known := explanations(exampleFile)
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && flag.Help == "" {
			e, ok := known[flag.Name]
			if !ok || e.text == "" {
				return fmt.Errorf("ccomet.toml does not explain --%s", flag.Name)
			}
			if flag.Help = e.text; flag.Group == nil {
				flag.Group = e.group
			}
		}
		return next(nil)
	})
}

// describe returns the help of a flag with its default and its environment variable.
func describe(v *kong.Value) string {
	var notes []string
	if v.HasDefault && v.Default != "" {
		notes = append(notes, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " (" + strings.Join(notes, "; ") + ")"
}

// groups are the headings of --help that are not in ccomet.toml.
var groups = []kong.Group{
	{Key: "server", Title: "The server:"},
	{Key: "proxy", Title: "A proxy in front:"},
	{Key: "redis", Title: "Redis, over which several servers share channels:"},
}
