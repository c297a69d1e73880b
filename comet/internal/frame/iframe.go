package frame

import (
	"strings"

	"ccomet/comet/internal/peer"
)

// The beginning of an iframe's document. It cannot call a page of another origin,
// and notices that by itself. If that origin is permitted, it posts its calls to
// the page as messages. If origins are named, it posts to no other: to the page's
// own origin, if that can be found out and is one of them; otherwise to each that
// is named in full, of which the browser delivers the one that matches.
const (
	iframeHead = `<!DOCTYPE html><html><head><meta charset="utf-8"><title>comet</title>`
	iframeBody = "</head><body>\n"

	iframePost = `<script>try{parent.icomet_cb}catch(e){(function(page,to){` +
		`parent={icomet_cb:function(m){for(var i=0;i<to.length;i++)page.postMessage(m,to[i])}}` +
		`})(parent,`
	iframePosted = `)}</script>`

	iframeTargets = `(function(names,a){` +
		`var o=a&&a[0]||(/^[a-z0-9+.-]+:\/\/[a-z0-9._:\[\]-]+/.exec(document.referrer)||[""])[0];` +
		`function is(p){var i=p.indexOf("*"),end=p.slice(i+1);` +
		`return i<0?p===o:o.length>=p.length&&o.slice(0,i)===p.slice(0,i)&&o.slice(-end.length)===end}` +
		`return names.some(is)?[o]:names.filter(function(p){return p.indexOf("*")<0})` +
		`})(`
	iframeTargeted = `,location.ancestorOrigins)`
)

// NewIframeHead returns the beginning of the documents of /iframe.
func NewIframeHead(let *peer.Origins) []byte {
	head := iframeHead
	switch {
	case let.Any:
		head += iframePost + `["*"]` + iframePosted
	case let.Named(): // none of their bytes is special in a string of a script
		head += iframePost + iframeTargets + `["` + strings.Join(let.Texts, `","`) + `"]` + iframeTargeted + iframePosted
	}
	return []byte(head + iframeBody)
}
