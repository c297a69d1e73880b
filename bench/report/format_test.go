package report

import (
	"math"
	"testing"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{whole(0), "0"}, {whole(999), "999"}, {whole(1000), "1,000"}, {whole(-1234567), "−1,234,567"},
		{whole(int64(math.MinInt64)), "−9,223,372,036,854,775,808"},
		{digits(0), "0"}, {digits(69.6), "69.6"}, {digits(8.08), "8.08"}, {digits(99.95), "100"}, {digits(9.996), "10.0"},
		{digits(0.28), "0.28"}, {digits(0.0306), "0.031"}, {digits(0.00123), "0.0012"}, {digits(1e-9), "0"}, {digits(-1e-9), "0"},
		{digits(1234.5), "1,234"}, {digits(-42.42), "−42.4"},
		{each(69.6), "69.6 B"}, {each(999.96), "1,000 B"}, {each(2345.4), "2,345 B"}, {each(120_000), "117 KiB"}, {each(-3), "−3.0 B"},
		{memory(0), "0 B"}, {memory(512), "512 B"}, {memory(1024), "1.00 KiB"}, {memory(-81920), "−80.0 KiB"},
		{memory(3.4 * (1 << 30)), "3.40 GiB"}, {memory(1<<20 - 1), "1.00 MiB"}, {memory(1 << 60), "1,048,576 TiB"},
		{micros(0.28), "0.28 µs"}, {micros(999.4), "999 µs"}, {micros(999.6), "1.00 ms"}, {micros(1200), "1.20 ms"}, {micros(3.4e6), "3.40 s"}, {micros(9e9), "9,000 s"},
		{seconds(0.25), "250 ms"}, {seconds(1.5), "1.50 s"}, {seconds(119), "119 s"}, {seconds(425), "7 min 5 s"}, {seconds(7380), "2 h 3 min"},
		{rate(31234.2), "31,234 /s"}, {percent(0.012), "1.20 %"}, {times(1.05), "1.05×"}, {times(0), ""},
		{percentile(99.9), "99.9"}, {percentile(99.99999), "99.99999"},
		{tick(memory)(10 << 20), "10 MiB"}, {tick(each)(0), "0"}, {tick(digits)(2500), "2,500"}, {tick(micros)(1500), "1.5 ms"},
		{and(nil), ""}, {and([]string{"a"}), "a"}, {and([]string{"a", "b", "c"}), "a, b and c"},
		{decimal(median([]float64{3, math.NaN(), 1, 2}), 1), "2.0"}, {decimal(median([]float64{4, 1, 2, 3}), 1), "2.5"}, {decimal(median(nil), 1), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestWhatIsNotANumberIsNotWritten(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for i, write := range []func(float64) string{digits, each, memory, micros, seconds, rate, percent, times, tick(memory)} {
			if got := write(v); got != "" {
				t.Errorf("writer %d makes %q of %v", i, got, v)
			}
		}
	}
}
