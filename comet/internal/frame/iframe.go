package frame

import (
	"strings"

	"ccomet/comet/internal/peer"
)

// What an iframe's document begins with. A page of another origin cannot be called,
// which the document notices by itself; where that origin is let in, what the page
// would be called with is posted to it as a message. Where origins are named, it is
// posted to no other: to the page's own, if it can be told and is one of them, else
// to each that is named in full, of which the browser delivers the one that it is.
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

// NewIframeHead is the head of the documents of /iframe.
func NewIframeHead(let *peer.Origins) []byte {
	head := iframeHead
	switch {
	case let.Any:
		head += iframePost + `["*"]` + iframePosted
	case let.Named(): // none of their bytes means anything in a string of a script
		head += iframePost + iframeTargets + `["` + strings.Join(let.Texts, `","`) + `"]` + iframeTargeted + iframePosted
	}
	return []byte(head + iframeBody)
}
