package msg

import (
	"strconv"
	"time"
)

// AppendField appends a member of a JSON object whose value is a number. between separates it
// from the member before.
func AppendField(dst []byte, between, name string, value int64) []byte {
	dst = append(append(append(append(dst, between...), '"'), name...), `": `...)
	return strconv.AppendInt(dst, value, 10)
}

// AppendSeconds appends a duration as JSON: seconds, with one decimal; 0 for a negative one.
func AppendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, max(d, 0).Seconds(), 'f', 1, 64)
}
