package web

// Compat lists the leniencies that let clients and backends of another server work unchanged.
// Each is named for what it permits, and the code tests exactly the one it needs. Only
// CompatIComet decides which of them go together. The zero value permits none.
type Compat struct {
	// LenientNumbers reads numeric parameters as C's atoi does: the leading digits, or 0 if
	// there are none.
	LenientNumbers bool
	// EveryBodyIsForm reads the body of each POST as a form, whatever its Content-Type. The
	// exception is a publish that has no content elsewhere: its body is the content.
	EveryBodyIsForm bool
	// EmptyNames accepts an empty or missing cname as the name of a channel.
	EmptyNames bool
	// EmptyContent accepts a publish without content as an empty message.
	EmptyContent bool
	// FirstOfTwo uses the first value if a publish has a parameter twice with different values.
	FirstOfTwo bool
	// AnyMethod accepts HEAD, POST, PUT and DELETE like GET on /ping and on the admin side's
	// /sign, /close, /clear, /check and /info.
	AnyMethod bool
	// AnyCase ignores the case of parameter names.
	AnyCase bool
	// EventsForAnyOrigin sends Access-Control-Allow-Origin: * with /sse if CORSOrigins names no
	// origin.
	EventsForAnyOrigin bool
	// PagesMayPublish serves requests on the admin side that a browser makes for a page of
	// another site. The first is logged as a warning.
	PagesMayPublish bool
}

// CompatIComet returns the leniencies that make the server a substitute for iComet's.
func CompatIComet() Compat {
	return Compat{
		LenientNumbers:     true,
		EveryBodyIsForm:    true,
		EmptyNames:         true,
		EmptyContent:       true,
		FirstOfTwo:         true,
		AnyMethod:          true,
		AnyCase:            true,
		EventsForAnyOrigin: true,
		PagesMayPublish:    true,
	}
}
