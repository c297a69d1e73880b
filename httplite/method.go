package httplite

// Method is a request method, as a number for switch statements.
type Method uint8

// The methods of RFC 9110 9.3 and RFC 5789. Other, the zero value, is any other token.
const (
	Other Method = iota
	GET
	HEAD
	POST
	PUT
	DELETE
	OPTIONS
	PATCH
	CONNECT
	TRACE
)

var methodNames = [...]string{"Other", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}

// String returns the method as it is sent, or "Other".
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return methodNames[Other]
}

// methodOf returns the Method of b. Methods are case-sensitive (RFC 9110 9.1).
func methodOf(b []byte) Method {
	switch string(b) { // the compiler compares without making a copy
	case "GET":
		return GET
	case "HEAD":
		return HEAD
	case "POST":
		return POST
	case "PUT":
		return PUT
	case "DELETE":
		return DELETE
	case "OPTIONS":
		return OPTIONS
	case "PATCH":
		return PATCH
	case "CONNECT":
		return CONNECT
	case "TRACE":
		return TRACE
	}
	return Other
}
