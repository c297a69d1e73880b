package web

// Compat are the leniencies that keep another server's clients and backends working
// unchanged. Each is named for what it lets pass, and code asks for the one that it
// means; CompatIComet alone decides which belong together. The zero value has none.
type Compat struct {
	// LenientNumbers reads a parameter that is a number as C's atoi does: the digits that
	// it begins with, 0 without any.
	LenientNumbers bool
	// EveryBodyIsForm reads the body of each POST as a form, whatever its Content-Type,
	// unless it must be the content itself for there to be any.
	EveryBodyIsForm bool
	// EmptyNames takes a cname that is empty or missing for a channel's name.
	EmptyNames bool
	// EmptyContent takes a publish without content for one of an empty message.
	EmptyContent bool
	// FirstOfTwo takes the first of two values of a parameter that a publish has twice.
	FirstOfTwo bool
	// AnyMethod serves HEAD, POST, PUT and DELETE like GET where it is /ping, or one channel
	// of the admin side, that is asked for.
	AnyMethod bool
	// AnyCase takes the names of parameters in letters of either case.
	AnyCase bool
	// EventsForAnyOrigin sends Access-Control-Allow-Origin: * with /sse where no origin
	// is named by CORSOrigins.
	EventsForAnyOrigin bool
	// PagesMayPublish serves requests on the admin side that a browser makes for a page of
	// another site, with a warning in the log, once.
	PagesMayPublish bool
}

// CompatIComet are the leniencies that stand in for iComet's server.
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
