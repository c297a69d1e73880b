package main

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// joinNegative has a number with a minus sign belong to the flag before it ("--loops -1"), where
// the parser would look for a flag of that name: the answer then names the bounds.
func joinNegative(args []string) []string {
	var joined []string
	for _, arg := range args {
		last := len(joined) - 1
		if negative.MatchString(arg) && last >= 0 && strings.HasPrefix(joined[last], "--") && !strings.Contains(joined[last], "=") {
			joined[last] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

var negative = regexp.MustCompile(`^-[0-9]`)

// wholeNumber decodes an int of the command line, the environment, or a file.
func wholeNumber(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("int")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(t.String(), 0, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%q: want a whole number of 64 bits", t)
	case err != nil:
		return fmt.Errorf("%q: want a whole number", t)
	}
	target.SetInt(n)
	return nil
}

// inOwnWords says what is wrong with a command line where the parser's words are for its
// programmer: a flag without its value.
func inOwnWords(err error) error {
	if found := noValue.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Errorf("%s: its value is missing", found[1])
	}
	return err
}

var noValue = regexp.MustCompile(`^(--[\w-]+): (?:expected \w+ value but got|missing value)`)
