package msg

import (
	"strconv"
	"time"
)

func AppendField(dst []byte, between, name string, value int64) []byte {
	dst = append(append(append(append(dst, between...), '"'), name...), `": `...)
	return strconv.AppendInt(dst, value, 10)
}

func AppendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, max(d, 0).Seconds(), 'f', 1, 64)
}
