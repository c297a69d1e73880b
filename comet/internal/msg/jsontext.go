package msg

import (
	"strconv"
	"time"
)

// AppendField appends a member of a JSON object whose value is a number, with what stands between
// it and the one before.
func AppendField(dst []byte, between, name string, value int64) []byte {
	dst = append(append(append(append(dst, between...), '"'), name...), `": `...)
	return strconv.AppendInt(dst, value, 10)
}

// AppendSeconds appends a time span as JSON: seconds, to a tenth; 0 for one that is over.
func AppendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, max(d, 0).Seconds(), 'f', 1, 64)
}
