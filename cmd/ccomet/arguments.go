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

// joinNegative joins a negative number to the flag before it ("--loops -1"). Otherwise the
// parser would take the number for a flag, and its error would not name the bounds.
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

// wholeNumber parses an int from the command line, the environment, or a file.
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

// rephrase rewrites an error of the parser whose text is meant for programmers: a flag
// without its value.
func rephrase(err error) error {
	if found := noValue.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Errorf("%s: the value is missing", found[1])
	}
	return err
}

var noValue = regexp.MustCompile(`^(--[\w-]+): (?:expected \w+ value but got|missing value)`)
